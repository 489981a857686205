//! What is read from where, and what counts most.

mod oracle;

use std::fs;
use std::path::PathBuf;

use crate::config::{
    Config, Endpoint, Host, Keepalive, LoadBalanceHosts, ProtocolVersion, TargetSessionAttrs,
};
use crate::error::ErrorKind;
use crate::tls::{RootCertificates, SslCertMode, SslMode, SslNegotiation, TlsVersion};
use std::time::Duration;

/// A folder of files for one test, which goes when the test ends.
pub(super) struct Files(PathBuf);

impl Files {
    pub(super) fn new(test: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("stellata-{}-{test}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    pub(super) fn folder(&self) -> String {
        self.0.to_str().unwrap().to_owned()
    }

    pub(super) fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }

    pub(super) fn write(&self, name: &str, text: &str, mode: u32) {
        use std::os::unix::fs::PermissionsExt;
        let _ = fs::remove_file(self.path(name));
        fs::write(self.path(name), text).unwrap();
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(mode)).unwrap();
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Surroundings without anything but a user.
fn bare(name: &str) -> Option<String> {
    (name == "USER").then(|| "me".to_owned())
}

fn parse(text: &str) -> Config {
    Config::parse_with(text, &bare).unwrap()
}

fn refusal(text: &str) -> String {
    let error = Config::parse_with(text, &bare).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config, "{text}");
    error.to_string()
}

#[test]
fn every_part_of_a_url_is_optional_and_percent_encoded() {
    let config = parse("postgresql://a%40b:p%2Fw%3A@[::1]:7000/my%20db");
    assert_eq!(config.user(), "a@b");
    assert_eq!(config.password(&config.first).unwrap().as_slice(), b"p/w:");
    assert_eq!(config.host(), &Host::Tcp("::1".into()));
    assert_eq!(config.port(), 7000);
    assert_eq!(config.database(), Some("my db"));

    let config = parse("postgres:///x?host=/run/pg&port=5433");
    assert_eq!(config.user(), "me");
    assert_eq!(config.host(), &Host::Unix("/run/pg".into()));
    assert_eq!(config.port(), 5433);
}

#[test]
fn every_word_reaches_its_setting() {
    let config = parse(
        "host=a,b hostaddr=10.0.0.1,::1 port=1,2 user=u password=p dbname=d connect_timeout=7 keepalives_idle=1 \
         keepalives_interval=2 keepalives_count=3 tcp_user_timeout=4 target_session_attrs=standby \
         load_balance_hosts=random requirepeer=postgres require_auth=md5 min_protocol_version=3.0 \
         max_protocol_version=latest options='-c geqo=off' application_name=app replication=database \
         sslmode=verify-full sslnegotiation=direct sslrootcert=/r sslcert=/c sslkey=/k sslcertmode=require sslcrl=/l \
         sslcrldir=/d sslsni=0 ssl_min_protocol_version=TLSv1.3 channel_binding=require",
    );
    let endpoints: Vec<Endpoint> = config.endpoints().cloned().collect();
    assert_eq!(
        endpoints,
        [
            Endpoint::new("a", 1).with_address("10.0.0.1".parse().unwrap()),
            Endpoint::new("b", 2).with_address("::1".parse().unwrap()),
        ]
    );
    assert_eq!((config.user(), config.database()), ("u", Some("d")));
    assert_eq!(config.connect_timeout(), Duration::from_secs(7));
    let keepalive = Keepalive::new()
        .with_idle(Duration::from_secs(1))
        .with_interval(Duration::from_secs(2))
        .with_count(3);
    assert_eq!(config.keepalive(), Some(keepalive));
    assert_eq!(config.tcp_user_timeout(), Some(Duration::from_millis(4)));
    assert_eq!(config.target_session_attrs(), TargetSessionAttrs::Standby);
    assert_eq!(config.load_balance_hosts(), LoadBalanceHosts::Random);
    assert_eq!(config.require_peer(), Some("postgres"));
    assert_eq!(config.require_auth().to_string(), "md5");
    assert_eq!(config.protocol_versions(), (ProtocolVersion::V3_0, ProtocolVersion::V3_2));
    assert_eq!(config.options(), "-c geqo=off");
    assert_eq!(config.replication(), Some("database"));
    assert!(config.settings().eq([("application_name", "app")]));
    let tls = config.tls();
    assert_eq!(tls.mode(), SslMode::VerifyFull);
    assert_eq!(tls.negotiation(), SslNegotiation::Direct);
    assert!(
        matches!(tls.roots(), Some(RootCertificates::Pem(pem)) if pem.path() == Some("/r".as_ref()))
    );
    assert_eq!(tls.client_certificate().unwrap().path(), Some("/c".as_ref()));
    assert_eq!(tls.client_key().unwrap().path(), Some("/k".as_ref()));
    assert_eq!(tls.client_certificate_mode(), SslCertMode::Require);
    assert_eq!(tls.crl().unwrap().path(), Some("/l".as_ref()));
    assert_eq!(tls.crl_folder(), Some("/d".as_ref()));
    assert!(!tls.sni());
    assert_eq!(tls.versions(), (TlsVersion::Tls13, TlsVersion::Tls13));
    assert!(!tls.channel_binding().admits_unbound());
}

#[test]
fn hosts_addresses_and_ports_are_lists() {
    let places = |text| -> Vec<String> {
        parse(text)
            .endpoints()
            .map(|endpoint| format!("{endpoint} {:?}", endpoint.address()))
            .collect()
    };
    assert_eq!(places("postgres://a,b:2,[::1]:3/d"), ["a:5432 None", "b:2 None", "[::1]:3 None"]);
    assert_eq!(places("host=a,b port=7"), ["a:7 None", "b:7 None"]);
    assert_eq!(places("host=a,b port=7,"), ["a:7 None", "b:5432 None"]);
    assert_eq!(places("hostaddr=1.2.3.4"), ["1.2.3.4:5432 Some(1.2.3.4)"]);
    assert_eq!(
        places("host=/s,@x,a hostaddr=,,1.2.3.4"),
        ["/s/.s.PGSQL.5432 None", "@x/.s.PGSQL.5432 None", "a:5432 Some(1.2.3.4)"]
    );
    // An address makes it TCP, so that nobody takes the way for a private one.
    assert!(!parse("host=/s hostaddr=1.2.3.4").host().is_unix());
    assert_eq!(refusal("host=a,b port=1,2,3"), "3 ports are named for 2 hosts");
    assert_eq!(refusal("host=a,b hostaddr=1.2.3.4"), "2 hosts are named, and 1 addresses");
}

#[test]
fn what_can_not_be_used_is_named() {
    for (url, part) in [
        ("mysql://x", "no `=`"),
        ("postgres://me@host:0/x", "port"),
        ("postgres://me@host:70000/x", "70000"),
        ("postgres://me@host/x?colour=red", "`colour`"),
        ("postgres://me@host/x?sslmod=require", "near it: `sslmode`"),
        ("postgres://me@host/x?sslmode=full", "verify-full"),
        ("postgres://me@host/%zz", "dbname"),
        ("postgres://me@host/%00", "NUL"),
        ("host=a\0b", "NUL"),
        ("postgres://me@[::1/x", "bracket"),
        ("postgres://me@host/x?connect_timeout=soon", "connect_timeout"),
        ("hostaddr=here", "hostaddr"),
        ("gssencmode=require", "GSSAPI"),
        ("scram_client_key=x", "scram_client_key"),
        ("sslkeylogfile=x", "sslkeylogfile"),
        ("keepalives_idle=-1", "keepalives_idle"),
    ] {
        let message = refusal(url);
        assert!(message.contains(part), "{url}: {message}");
    }
}

#[test]
fn pairs_expand_the_first_database() {
    let read = |pairs: &[(&str, &str)]| {
        Config::from_pairs_with(pairs.iter().copied(), &bare).map(|config| {
            let database = config.database().map(str::to_owned);
            (config.host().to_string(), config.port(), config.user().to_owned(), database)
        })
    };
    let url = "postgres://anna@db.example:7/music";
    let music = Some("music".to_owned());
    assert_eq!(
        read(&[("dbname", url), ("port", "8"), ("user", "")]).unwrap(),
        ("db.example".into(), 8, "anna".into(), music.clone())
    );
    assert_eq!(
        read(&[("port", "8"), ("host", "x"), ("dbname", url)]).unwrap(),
        ("db.example".into(), 7, "anna".into(), music.clone())
    );
    assert_eq!(
        read(&[("host", "x"), ("dbname", "host=y dbname=music"), ("dbname", "a=b")]).unwrap(),
        ("y".into(), 5432, "me".into(), Some("a=b".into()))
    );
    assert!(read(&[("hots", "x")]).unwrap_err().to_string().contains("`hots`"));
    assert!(read(&[("host", "x\0")]).is_err());
}

#[test]
fn variables_become_settings_of_the_session() {
    let environment = |name: &str| match name {
        "USER" => Some("me".to_owned()),
        "PGTZ" => Some("Europe/Berlin".to_owned()),
        "PGDATESTYLE" => Some("DEFAULT".to_owned()),
        "PGGEQO" => Some("off".to_owned()),
        "PGOPTIONS" => Some("-c a.b=c".to_owned()),
        "PGAPPNAME" => Some(String::new()),
        _ => None,
    };
    let config = Config::parse_with("fallback_application_name=radio", &environment).unwrap();
    let settings: Vec<_> = config.settings().collect();
    assert_eq!(
        settings,
        [("timezone", "Europe/Berlin"), ("geqo", "off"), ("application_name", "radio")]
    );
    assert_eq!(config.options(), "-c a.b=c");
    // What is set by hand takes the place of it.
    let config = config.with_setting("TimeZone", "UTC").with_options("");
    assert_eq!(config.settings().next(), Some(("timezone", "UTC")));
    assert_eq!(config.options(), "");
}

#[test]
fn without_a_name_there_is_no_login() {
    let error = Config::parse_with("host=x", &|_: &str| None).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    let logname = |name: &str| (name == "LOGNAME").then(|| "log".to_owned());
    assert_eq!(Config::parse_with("host=x", &logname).unwrap().user(), "log");
}

/// A password that must not be seen.
const SENTINEL: &str = "hunter2-SENTINEL";

#[test]
fn a_password_never_shows_whatever_way_it_came() {
    let files = Files::new("sentinel");
    files.write(".pgpass", &format!("*:*:*:*:{SENTINEL}"), 0o600);
    files.write(".pg_service.conf", &format!("[s]\nhost=h\npassword={SENTINEL}\n"), 0o600);
    let home = files.folder();
    let environment = |name: &str| match name {
        "USER" => Some("me".to_owned()),
        "HOME" => Some(home.clone()),
        _ => None,
    };
    let variable = |name: &str| match name {
        "PGPASSWORD" => Some(SENTINEL.to_owned()),
        name => bare(name),
    };
    let url = format!("postgres://me:{SENTINEL}@h/d?sslpassword={SENTINEL}");
    for config in [
        Config::new("h", "me").with_password(SENTINEL),
        parse(&url),
        parse(&format!("host=h password='{SENTINEL}' oauth_client_secret={SENTINEL}")),
        Config::parse_with("host=h", &variable).unwrap(),
        Config::parse_with("host=h", &environment).unwrap(),
        Config::parse_with("service=s", &environment).unwrap(),
    ] {
        assert_eq!(config.password(&config.first).unwrap().as_slice(), SENTINEL.as_bytes());
        let shown = format!("{config:?} {config:#?} {:?}", config.clone());
        assert!(!shown.contains("SENTINEL"), "{shown}");
    }
    let asked = Config::new("h", "me")
        .with_password_provider(|_| async { Ok::<_, std::io::Error>(SENTINEL.to_owned()) });
    assert!(!format!("{asked:?}").contains("SENTINEL"));
}

#[test]
fn a_password_in_a_wrong_place_is_not_repeated() {
    for text in [
        // Not encoded in a URL: what is behind the / or the @ or the ? is read as something else.
        "postgres://me:%SENTINEL@h/d",
        "postgres://me:SENTINEL%@h/d",
        "postgres://me:x/SENTINEL@h/d?a=b",
        "postgres://me:x/y?SENTINEL@h/d",
        "postgres://me:x/y?SENTINEL=@h/d",
        "postgres://me:SENTINEL/y@h/d",
        "postgres://me:x@SENTINEL@h/d",
        "postgres://me:1/x?SENTINEL=y@h/d",
        "postgres://h/d?password=x&SENTINEL",
        "postgres://h/d?password=x&SENTINEL=y",
        "postgres://h/d?password=x=SENTINEL",
        "postgres://h/d?password=x SENTINEL",
        // Not quoted among words.
        "host=h password=x SENTINEL",
        "host=h password=x SENTINEL=y",
        "host=h password=x SENTINEL port=1",
        "host=h password='SENTINEL",
        "host=h password='x'SENTINEL=",
        "host=h sslpassword=x SENTINEL=y",
    ] {
        let Err(error) = Config::parse_with(text, &bare) else { panic!("{text} is read") };
        let shown = format!("{error} {error:?} {error:#}");
        assert!(!shown.contains("SENTINEL"), "{text}: {shown}");
    }
}

/// The password of each place, in order.
fn passwords(config: &Config) -> Vec<Option<String>> {
    let found = config.endpoints().map(|endpoint| config.password(endpoint));
    found.map(|found| found.map(|found| String::from_utf8(found.to_vec()).unwrap())).collect()
}

#[test]
fn a_password_from_the_file_is_that_of_the_login() {
    let files = Files::new("login");
    let lines = "h:5432:me:me:own\n\
                 h:5433:*:me:other port\n\
                 h:5432:music:me:other database\n\
                 h:*:app:app:other user\n\
                 further:*:*:me:other place\n\
                 localhost:*:*:*:this machine\n\
                 /run/pg:*:*:*:a folder with an address\n";
    files.write(".pgpass", lines, 0o600);
    let home = files.folder();
    let environment = |name: &str| match name {
        "USER" => Some("me".to_owned()),
        "HOME" => Some(home.clone()),
        _ => None,
    };
    let parse = |text| Config::parse_with(text, &environment).unwrap();
    let first = |config: &Config| passwords(config).swap_remove(0);
    let config = parse("host=h");
    assert_eq!(first(&config).as_deref(), Some("own"));
    for (changed, password) in [
        (config.clone().with_user("app"), Some("other user")),
        (config.clone().with_user("nobody"), None),
        (config.clone().with_database("music"), Some("other database")),
        (config.clone().with_database("x"), None),
        (config.clone().with_port(5433), Some("other port")),
        (config.clone().with_only_endpoint(Endpoint::new("further", 1)), Some("other place")),
        (config.clone().with_only_endpoint(Endpoint::new("/tmp", 1)), Some("this machine")),
        (config.clone().with_only_endpoint(Endpoint::new("elsewhere", 1)), None),
        // What was said counts more than the file, whoever logs in.
        (config.clone().with_password("said").with_user("app"), Some("said")),
        (config.clone().with_user("app").with_user("me"), Some("own")),
        (parse("host=/run/pg hostaddr=::1"), Some("a folder with an address")),
        (parse("host=/run/pg hostaddr=::1").with_port(7), Some("a folder with an address")),
    ] {
        assert_eq!(first(&changed).as_deref(), password, "{changed:?}");
        let remark = changed.password_remark(&changed.first);
        assert_eq!(remark.is_some(), password.is_some_and(|password| password != "said"));
        let shown = format!("{changed:?} {changed:#?}");
        assert!(!shown.contains("own") && !shown.contains("other"), "{shown}");
    }
    let two = config.with_endpoint(Endpoint::new("further", 5432));
    assert_eq!(passwords(&two), [Some("own".to_owned()), Some("other place".to_owned())]);
}

#[test]
fn a_password_file_that_is_not_used_is_told_of() {
    let files = Files::new("remark");
    let home = files.folder();
    let environment = |name: &str| match name {
        "USER" => Some("me".to_owned()),
        "HOME" => Some(home.clone()),
        _ => None,
    };
    let remark = |text: &str| {
        let config = Config::parse_with(text, &environment).unwrap();
        config.password_remark(&config.first)
    };
    assert_eq!(remark("host=h"), None);
    files.write(".pgpass", "h:*:*:*:x", 0o644);
    assert!(remark("host=h").unwrap().contains("mode 0600"));
    assert_eq!(remark("host=h password=y"), None);
    files.write(".pgpass", "h:*:*:*:x", 0o600);
    assert!(remark("host=h").unwrap().starts_with("the password is from the file "));
    assert_eq!(remark("host=other"), None);
}
