//! Whatever a test process started goes with it, however it ends.

use std::collections::BTreeSet;
use std::fs::{self, FileTimes};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant, SystemTime};
use stellata_testkit::{Bouncer, BouncerOptions, Cluster, Database, Server, ServerOptions};

/// Says to the test binary that it is the one to be killed.
const ROLE: &str = "STELLATA_TEST_IS_TO_BE_KILLED";

/// So long after the death of its process nothing is left of a server that was up.
const SOON: Duration = Duration::from_secs(5);

/// So long where it was halted, or there are several, or the next server clears up.
const LATER: Duration = Duration::from_secs(20);

/// So long where it was just being started: an `initdb` that has begun comes to its own end first, which takes seconds where
/// others build.
const ONCE_STARTED: Duration = Duration::from_secs(30);

/// The process that the tests below kill: it has a server that is busy.
#[test]
#[ignore = "the other tests run this one as a process of its own"]
fn victim() {
    if std::env::var_os(ROLE).is_none() {
        return;
    }
    let server = Server::start(ServerOptions::new()).unwrap();
    let database = Database::create(&server).unwrap();
    // One statement computes without ever waiting, one waits; should all else fail, they end.
    for sql in ["do $$ begin loop end loop; end $$", "select pg_sleep(1000)"] {
        let mut session = database.session().unwrap();
        session.run("set statement_timeout = '60s'").unwrap();
        thread::spawn(move || session.run(sql));
    }
    let active = "select count(*) from pg_stat_activity where state = 'active'";
    let begun = Instant::now();
    while database.run(active).unwrap() != [[Some("3".to_owned())]] {
        assert!(begun.elapsed() < ONCE_STARTED);
        thread::sleep(Duration::from_millis(5));
    }
    let folders = [server.data_dir().unwrap(), server.socket_dir().unwrap().to_owned()];
    let mut output = std::io::stdout();
    writeln!(output, "\nprocess {}", server.process().unwrap()).unwrap();
    for folder in folders {
        writeln!(output, "folder {}", folder.display()).unwrap();
    }
    writeln!(output, "ready").unwrap();
    thread::sleep(Duration::from_secs(60));
}

/// Another one: it has a standby and, where there is a PgBouncer, a pooler, which says that it is
/// the process.
#[test]
#[ignore = "the other tests run this one as a process of its own"]
fn victim_with_a_cluster() {
    if std::env::var_os(ROLE).is_none() {
        return;
    }
    let cluster = Cluster::start(ServerOptions::new()).unwrap();
    let bouncer = BouncerOptions::find().map(|options| {
        let bouncer = Bouncer::start(cluster.primary(), options).unwrap();
        bouncer.admin("show version").unwrap();
        bouncer
    });
    let mut output = std::io::stdout();
    writeln!(output).unwrap();
    for server in cluster.servers() {
        writeln!(output, "process {}", server.process().unwrap()).unwrap();
    }
    if let Some(bouncer) = &bouncer {
        writeln!(output, "process {}", bouncer.process().unwrap()).unwrap();
    }
    writeln!(output, "ready").unwrap();
    thread::sleep(Duration::from_secs(60));
}

fn start_victim() -> Child {
    victim_of(&std::env::current_exe().unwrap(), "victim").spawn().unwrap()
}

/// Whether whoever started this process has it pass over SIGINT, as a shell does with what runs in its background. It
/// hands that on to its children.
fn is_deaf_to_interrupts() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:\t")).unwrap();
    u64::from_str_radix(ignored, 16).unwrap() & 2 != 0
}

fn victim_of(program: &Path, name: &str) -> Command {
    let mut command = Command::new(program);
    command
        .args(["--exact", name, "--ignored", "--nocapture"])
        .env(ROLE, "yes")
        .env_remove("DATABASE_URL")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .process_group(0);
    command
}

/// The lines the victim prints once its server is there.
fn story(victim: &mut Child) -> Vec<String> {
    let lines = BufReader::new(victim.stdout.take().unwrap()).lines().map(Result::unwrap);
    lines.take_while(|line| line != "ready").collect()
}

fn signal(name: &str, target: &str) {
    let sent =
        Command::new("/bin/sh").args(["-c", "kill -s \"$0\" -- \"$1\"", name, target]).status();
    assert!(sent.unwrap().success());
}

/// Processes that mention `word` in their command, and the children of those.
fn processes_about(word: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut parents = BTreeSet::new();
    for _ in 0..2 {
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let pid = entry.file_name().to_string_lossy().into_owned();
            let Ok(command) = fs::read(entry.path().join("cmdline")) else { continue };
            let command = String::from_utf8_lossy(&command).replace('\0', " ");
            let status = fs::read_to_string(entry.path().join("status")).unwrap_or_default();
            let parent = status.lines().find_map(|line| line.strip_prefix("PPid:\t"));
            let related = command.contains(word) || parent.is_some_and(|pid| parents.contains(pid));
            if related && parents.insert(pid.clone()) {
                found.push(format!("{pid}: {command}"));
            }
        }
    }
    found
}

/// All that a process with this number may have left: folders and shared memory are named after
/// it or after nobody.
fn traces_of(victim: u32) -> Vec<String> {
    let name = format!("stellata-{victim}-");
    let mut traces = processes_about(&name);
    for parent in [Path::new("/dev/shm"), Path::new("/tmp"), &std::env::temp_dir()] {
        for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with(&name) {
                traces.push(entry.path().display().to_string());
            }
        }
    }
    traces
}

fn segments() -> BTreeSet<String> {
    let table = fs::read_to_string("/proc/sysvipc/shm").unwrap();
    let second = |line: &str| line.split_whitespace().nth(1).map(str::to_owned);
    table.lines().skip(1).filter_map(second).collect()
}

/// Files of PostgreSQL's shared memory that no process uses. Those of other accounts' processes
/// can be seen by root alone.
fn orphans() -> BTreeSet<String> {
    let ourselves = fs::metadata("/proc/self").unwrap().uid();
    let files = fs::read_dir("/dev/shm").into_iter().flatten().flatten();
    let files = files.filter(|file| {
        file.metadata().is_ok_and(|about| ourselves == 0 || about.uid() == ourselves)
    });
    let mut names: BTreeSet<String> = files
        .map(|file| file.file_name().to_string_lossy().into_owned())
        .filter(|name| name.starts_with("PostgreSQL."))
        .collect();
    for process in fs::read_dir("/proc").unwrap().flatten() {
        let maps = fs::read_to_string(process.path().join("maps")).unwrap_or_default();
        names.retain(|name| !maps.contains(name.as_str()));
    }
    names
}

fn assert_nothing_left(victim: u32, within: Duration) {
    let begun = Instant::now();
    let mut left = traces_of(victim);
    while !left.is_empty() && begun.elapsed() < within {
        thread::sleep(Duration::from_millis(20));
        left = traces_of(victim);
    }
    assert_eq!(left, Vec::<String>::new());
}

/// That a process is over. Where its keeper was killed too, nobody may have taken note of its end yet.
fn assert_over(process: u32) {
    let begun = Instant::now();
    loop {
        match fs::read_to_string(format!("/proc/{process}/status")) {
            Ok(status) if !status.contains("State:\tZ") => {}
            _ => return,
        }
        assert!(begun.elapsed() < LATER, "{process} still runs");
        thread::sleep(Duration::from_millis(1));
    }
}

/// Lets a victim run until its server is busy, ends it, and sees that nothing is left.
fn end_and_look(within: Duration, end: impl FnOnce(&mut Child, u32)) {
    let before = segments();
    let mut victim = start_victim();
    let story = story(&mut victim);
    let process: u32 =
        story.iter().find_map(|line| line.strip_prefix("process ")?.parse().ok()).unwrap();
    let folders: Vec<PathBuf> =
        story.iter().filter_map(|line| line.strip_prefix("folder ").map(PathBuf::from)).collect();
    assert_eq!(folders.len(), 2);
    assert!(folders.iter().all(|folder| folder.exists()));
    assert!(processes_about(&format!("stellata-{}-", victim.id())).len() > 3);
    let pid_file = fs::read_to_string(folders[0].join("postmaster.pid")).unwrap();
    let segment = pid_file.lines().nth(6).unwrap().split_whitespace().last().unwrap().to_owned();
    assert!(segments().contains(&segment) && !before.contains(&segment));
    // What it shares between its processes is in its own folder.
    let maps = fs::read_to_string(format!("/proc/{process}/maps")).unwrap();
    assert!(!maps.contains("/dev/shm/PostgreSQL."));

    end(&mut victim, process);
    victim.wait().unwrap();
    assert_nothing_left(victim.id(), within);
    assert_over(process);
    assert!(folders.iter().all(|folder| !folder.exists()));
    assert!(!segments().contains(&segment));
}

#[test]
fn a_killed_process_leaves_nothing() {
    end_and_look(SOON, |victim, _| victim.kill().unwrap());
}

#[test]
fn a_killed_process_group_leaves_nothing() {
    end_and_look(SOON, |victim, _| signal("KILL", &format!("-{}", victim.id())));
}

#[test]
fn an_interrupted_process_leaves_nothing() {
    // Who ignores that signal is ended by the other one that a terminal's owner sends.
    let name = if is_deaf_to_interrupts() { "TERM" } else { "INT" };
    end_and_look(SOON, |victim, _| signal(name, &format!("-{}", victim.id())));
}

#[test]
fn a_killed_process_with_a_halted_server_leaves_nothing() {
    end_and_look(LATER, |victim, server| {
        signal("STOP", &server.to_string());
        let status = format!("/proc/{server}/status");
        let begun = Instant::now();
        while !fs::read_to_string(&status).unwrap().contains("State:\tT") {
            assert!(begun.elapsed() < LATER);
            thread::sleep(Duration::from_millis(1));
        }
        victim.kill().unwrap();
    });
}

/// The shell that keeps a server, which is its parent.
fn keeper_of(server: u32) -> u32 {
    let status = fs::read_to_string(format!("/proc/{server}/status")).unwrap();
    status.lines().find_map(|line| line.strip_prefix("PPid:\t")).unwrap().parse().unwrap()
}

#[test]
fn a_server_whose_keeper_was_killed_is_still_stopped() {
    let server = Server::start(ServerOptions::new()).unwrap();
    let process = server.process().unwrap();
    let folder = server.data_dir().unwrap().parent().unwrap().to_owned();
    signal("KILL", &keeper_of(process).to_string());
    drop(server);
    assert!(!folder.exists());
    assert!(!processes_about(&folder.display().to_string()).iter().any(|line| line.contains("-D")));
}

#[test]
fn what_a_process_and_its_keeper_left_when_both_were_killed_goes_with_the_next_server() {
    let mut victim = start_victim();
    let story = story(&mut victim);
    let process: u32 =
        story.iter().find_map(|line| line.strip_prefix("process ")?.parse().ok()).unwrap();
    let data = story.iter().find_map(|line| line.strip_prefix("folder ")).unwrap();
    let folder = Path::new(data).parent().unwrap();
    signal("KILL", &keeper_of(process).to_string());
    victim.kill().unwrap();
    victim.wait().unwrap();
    // Only what has been lying there for a while is taken for abandoned.
    let old = SystemTime::now() - Duration::from_secs(120);
    let times = FileTimes::new().set_modified(old);
    fs::File::open(folder).unwrap().set_times(times).unwrap();
    let _next = Server::start(ServerOptions::new()).unwrap();
    assert_nothing_left(victim.id(), LATER);
    assert!(!folder.exists());
    assert_over(process);
}

/// The processes that a victim with a cluster tells of: the primary, the standby, the pooler.
fn start_victim_with_a_cluster() -> (Child, Vec<u32>) {
    let program = std::env::current_exe().unwrap();
    let mut victim = victim_of(&program, "victim_with_a_cluster").spawn().unwrap();
    let story = story(&mut victim);
    let processes = story.iter().filter_map(|line| line.strip_prefix("process ")?.parse().ok());
    let processes: Vec<u32> = processes.collect();
    assert_eq!(processes.len(), if BouncerOptions::find().is_some() { 3 } else { 2 });
    (victim, processes)
}

#[test]
fn a_killed_process_leaves_nothing_of_its_cluster_and_its_pooler() {
    let before = segments();
    let (mut victim, processes) = start_victim_with_a_cluster();
    assert!(!segments().is_subset(&before));
    victim.kill().unwrap();
    victim.wait().unwrap();
    assert_nothing_left(victim.id(), LATER);
    processes.into_iter().for_each(assert_over);
}

#[test]
fn a_cluster_and_a_pooler_whose_keepers_were_killed_too_go_with_the_next_server() {
    let (mut victim, processes) = start_victim_with_a_cluster();
    for process in &processes {
        signal("KILL", &keeper_of(*process).to_string());
    }
    victim.kill().unwrap();
    victim.wait().unwrap();
    let old = SystemTime::now() - Duration::from_secs(120);
    for folder in traces_of(victim.id()).iter().filter(|trace| trace.starts_with('/')) {
        fs::File::open(folder).unwrap().set_times(FileTimes::new().set_modified(old)).unwrap();
    }
    let _next = Server::start(ServerOptions::new()).unwrap();
    assert_nothing_left(victim.id(), LATER);
    processes.into_iter().for_each(assert_over);
}

#[test]
fn a_process_killed_while_it_starts_its_server_leaves_nothing() {
    for milliseconds in (0..200).step_by(8) {
        let mut victim = start_victim();
        thread::sleep(Duration::from_millis(milliseconds));
        victim.kill().unwrap();
        victim.wait().unwrap();
        assert_nothing_left(victim.id(), ONCE_STARTED);
    }
}

/// A program outside of Cargo's folder, with a folder of temporary files of its own, finds no
/// kept template and has to initialise.
#[test]
fn a_process_killed_while_it_initialises_leaves_nothing() {
    let home = std::env::temp_dir().join(format!("initialising-{}", std::process::id()));
    fs::create_dir(&home).unwrap();
    let before = orphans();
    let program = home.join("program");
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    for milliseconds in (0..1000).step_by(90) {
        let mut victim = victim_of(&program, "victim").env("TMPDIR", &home).spawn().unwrap();
        thread::sleep(Duration::from_millis(milliseconds));
        victim.kill().unwrap();
        victim.wait().unwrap();
        assert_nothing_left(victim.id(), ONCE_STARTED);
        let begun = Instant::now();
        let mut left = orphans();
        while !left.is_subset(&before) && begun.elapsed() < ONCE_STARTED {
            thread::sleep(Duration::from_millis(20));
            left = orphans();
        }
        assert!(left.is_subset(&before), "{left:?}");
        let kept = home.join("stellata-testkit");
        let partial = || {
            fs::read_dir(&kept)
                .into_iter()
                .flatten()
                .flatten()
                .any(|entry| entry.file_name().to_string_lossy().starts_with("partial-"))
        };
        while partial() && begun.elapsed() < ONCE_STARTED {
            thread::sleep(Duration::from_millis(20));
        }
        assert!(!partial());
        let _ = fs::remove_dir_all(kept);
    }
    fs::remove_dir_all(&home).unwrap();
}
