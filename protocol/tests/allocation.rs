//! Memory follows the bytes that have come, never a length or a count that they declare.
//!
//! The allocator counts. What is tried is the corpus of the fuzzer, an input for each message, each type, COPY and
//! replication: with every two and every four bytes of it replaced by the largest numbers that can be declared.
#![cfg(all(
    feature = "chrono",
    feature = "rust_decimal",
    feature = "serde_json",
    feature = "uuid"
))]
#![allow(clippy::print_stdout, reason = "the figures are what the tests are for")]

#[path = "../../fuzz/src/action.rs"]
#[allow(dead_code, reason = "the fuzzer uses all of it")]
mod action;
#[path = "../../fuzz/src/caller.rs"]
#[allow(dead_code, reason = "the fuzzer uses all of it")]
mod caller;
#[path = "../../fuzz/src/conversation.rs"]
mod conversation;
#[path = "../../fuzz/src/copy.rs"]
mod copy;
#[path = "hostile_values/values.rs"]
mod hostile;
#[path = "../../fuzz/src/kind.rs"]
#[allow(unreachable_pub, reason = "it is the fuzzer's only entrance")]
mod kind;
#[path = "../../fuzz/src/message.rs"]
#[allow(dead_code, reason = "the fuzzer uses all of it")]
mod message;
#[path = "../../fuzz/src/replication.rs"]
mod replication;
#[path = "../../fuzz/src/value.rs"]
#[allow(dead_code, reason = "the fuzzer uses all of it")]
mod value;

use std::path::Path;

use allocation_counter::measure;
use stellata_protocol::message::{FieldDescription, ServerError, write_row_description};
use stellata_protocol::textual::from_text;
use stellata_protocol::types::text_search::{TsQuery, TsVector};
use stellata_protocol::{
    Array, ArrayElement, Buffer, Catalog, CompositeReader, Conversation, Decode, ErrorKind, Event,
    Format, Limits, Login, Multirange, Oid, PgType, Record, Result, Type,
};

/// What may be held beside twice the bytes that came: what is promised.
const PROMISED: usize = 64 << 20;

/// What an input may take beyond three times what it took before it was changed.
const SLACK: u64 = 64 << 10;

/// What a hostile value may take.
const VALUE: u64 = 16 << 20;

/// The most places of one input that are changed; of longer ones not all, unless `STELLATA_LONG` is set.
const PLACES: usize = 40;

/// The inputs of the corpus with their names, in order.
fn corpus() -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/wire");
    let mut paths: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort_unstable();
    let name = |path: &Path| path.file_name().unwrap().to_string_lossy().into_owned();
    paths.iter().map(|path| (name(path), std::fs::read(path).unwrap())).collect()
}

#[test]
fn nothing_is_allocated_by_what_is_declared() {
    let places = if std::env::var_os("STELLATA_LONG").is_some() { usize::MAX } else { PLACES };
    let (mut runs, mut most) = (0_u64, 0);
    for (name, input) in corpus() {
        let usual = measure(|| kind::run(&input)).bytes_max;
        // Behind the bytes that choose what is read.
        let head = match input[0] {
            0 => 3 + usize::from(input[2]),
            4 => 5,
            _ => 3,
        };
        for at in (head..input.len()).step_by(input.len().div_ceil(places)) {
            for huge in [&b"\xff\xff"[..], b"\x7f\xff", b"\x7f\xff\xff\xff", b"\x40\0\0\0"] {
                let mut input = input.clone();
                let Some(place) = input.get_mut(at..at + huge.len()) else { continue };
                place.copy_from_slice(huge);
                let held = measure(|| kind::run(&input)).bytes_max;
                assert!(
                    held <= 3 * usual + SLACK,
                    "{name}, {huge:x?} at {at}: {held} bytes, where {usual} are usual"
                );
                runs += 1;
                most = most.max(held);
            }
        }
    }
    println!("allocation: {runs} inputs that declare too much, {most} bytes at most");
    assert!(runs > 20_000, "{runs}");
}

/// A session that is logged in and has asked for rows.
fn asked() -> Conversation {
    let mut talk = Conversation::start(Login::new("me", caller::NONCE)).unwrap();
    talk.receive(b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I");
    while talk.advance().unwrap().is_some() {}
    talk.begin();
    talk.query("select 1").unwrap();
    talk
}

/// Feeds bytes in pieces and reads all that they mean.
fn feed(talk: &mut Conversation, bytes: &[u8]) {
    for piece in bytes.chunks(64 * 1024) {
        talk.receive(piece);
        while let Ok(Some(answer)) = talk.advance() {
            if answer.event == Event::Error {
                talk.server_error().unwrap();
            }
        }
    }
}

#[track_caller]
fn held_to(what: &str, received: usize, held: u64) {
    println!("allocation: {what}: {held} bytes held of {received} received");
    let promised = u64::try_from(PROMISED + 2 * received).unwrap();
    assert!(held <= promised, "{what}: {held} bytes are held of {received}");
}

#[test]
fn a_message_that_never_comes_to_its_end_is_held_as_far_as_it_came() {
    for tag in *b"TDdVENAt" {
        let declared = u32::try_from(Limits::default().message - 1).unwrap();
        let mut stream = [&[tag], &declared.to_be_bytes()[..]].concat();
        stream.resize(3_000_000, b'x');
        let mut talk = asked();
        let held = measure(|| feed(&mut talk, &stream)).bytes_max;
        // Far less than what is promised: half as much again, twice while it moves.
        assert!(held <= 8_000_000, "{}: {held}", char::from(tag));
    }
}

/// One message with this body.
fn message(tag: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap();
    [&[tag], &length.to_be_bytes()[..], body].concat()
}

#[test]
fn messages_without_end_take_no_more_than_twice_what_came() {
    let columns = {
        let field = FieldDescription {
            name: "".into(),
            table_oid: Oid(0),
            column_number: 0,
            type_oid: Oid::INT4,
            type_size: 4,
            type_modifier: -1,
            format: Format::Text,
        };
        let mut out = Buffer::new();
        write_row_description(&mut out, &vec![field; 65_535]).unwrap();
        out.as_slice().to_vec()
    };
    let not_utf_8 = [&b"M"[..], &vec![0xff; 20_000_000], b"\0\0"].concat();
    let every_letter: Vec<u8> = (1..=255_u8)
        .flat_map(|letter| [&[letter], &vec![0xff; 40_000][..], b"\0"].concat())
        .chain([0])
        .collect();
    let short_notice = message(b'N', b"M\xff\0Dx\0Hx\0\0");
    let long_notice = message(b'N', &[&b"M"[..], &vec![0xff; 100_000], b"\0\0"].concat());
    let notification = message(b'A', &[&[0; 4][..], &[b'c'; 2_000], b"\0p\0"].concat());
    let settings: Vec<u8> = (0..256)
        .flat_map(|n| message(b'S', format!("s{n}\0{}\0", "v".repeat(20_000)).as_bytes()))
        .collect();
    for (what, stream) in [
        ("65 535 columns", columns),
        ("a row", message(b'D', &vec![0; 30_000_000])),
        ("an error that is not UTF-8", message(b'E', &not_utf_8)),
        ("an error with every field", message(b'E', &every_letter)),
        ("notices", short_notice.repeat(200_000)),
        ("long notices", long_notice.repeat(400)),
        ("notifications", notification.repeat(20_000)),
        ("settings", settings),
    ] {
        let mut talk = asked();
        let held = measure(|| feed(&mut talk, &stream)).bytes_max;
        held_to(what, stream.len(), held);
    }
    // What waits for the caller is bounded by itself, however much comes.
    for (what, stream, bound) in [
        ("notices that wait", long_notice.repeat(100), Limits::default().notice_bytes),
        (
            "notifications that wait",
            notification.repeat(20_000),
            Limits::default().notification_bytes,
        ),
    ] {
        let mut talk = asked();
        let held = measure(|| feed(&mut talk, &stream));
        let now = usize::try_from(held.bytes_current).unwrap();
        // Beside them, the places for them and the buffer of the large answers.
        println!("allocation: {what}: {now} bytes stay of {} received", stream.len());
        assert!(now <= bound + (1 << 20), "{what}: {now} bytes stay");
        assert!(now >= bound / 2, "{what}: {now} bytes stay, so that this tries nothing");
        assert!(talk.dropped() > 0, "{what}");
    }
    // What a caller makes of them.
    let held = measure(|| drop(ServerError::read(&not_utf_8).unwrap())).bytes_max;
    assert!(held < 2_000_000, "{held}");
}

#[test]
fn a_hostile_value_takes_little_memory() {
    let (mut runs, mut most) = (0, 0);
    for reader in value::READERS {
        for (number, raw) in hostile::values().iter().enumerate() {
            let held = measure(|| (reader.read)(u8::MAX, raw)).bytes_max;
            assert!(held <= VALUE, "{}, value {number}: {held} bytes", reader.name);
            runs += 1;
            most = most.max(held);
        }
    }
    println!("allocation: {runs} hostile values, {most} bytes at most");
}

/// A field that has come before is passed over: it costs its bytes, and nothing is made of it.
#[test]
fn an_error_of_many_fields_makes_no_more_than_one_of_each() {
    let once: Vec<u8> = (1..=255_u8).flat_map(|letter| [letter, 0xff, 0]).collect();
    let body = |times: usize| [&once.repeat(times)[..], &[0]].concat();
    let of = |body: &[u8]| measure(|| drop(ServerError::read(body).unwrap()));
    let (one, many) = (of(&body(1)), of(&body(20_000)));
    println!("allocation: {} texts of 5 100 000 fields", many.count_total);
    assert_eq!((many.count_total, many.bytes_total), (one.count_total, one.bytes_total));
}

/// A type that holds an array of itself, as a hostile server may have it.
#[allow(dead_code, reason = "it is held, and not looked at")]
struct Node {
    name: Option<String>,
    children: Vec<Node>,
}

impl PgType for Node {
    const TYPE: Type =
        Type { oid: Oid::UNSPECIFIED, array: Oid::UNSPECIFIED, name: "\"app\".\"node\"" };

    fn accepts(oid: Oid) -> bool {
        oid.is_user_defined()
    }
}

impl ArrayElement for Node {}

impl<'a> Decode<'a> for Node {
    fn decode(oid: Oid, raw: &'a [u8]) -> Result<Self> {
        let mut reader = CompositeReader::with(oid, raw, 2)?;
        let (name, children) = (reader.next()?, reader.next()?);
        reader.end()?;
        Ok(Self { name, children })
    }
}

const NODE: u32 = 20_000;
const NODES: u32 = 20_001;

/// How many bytes the large values here have.
const LARGE: usize = 10 << 20;

/// What reading a value holds at most, whatever it comes to.
fn held_of<'a, T: Decode<'a>>(oid: u32, raw: &'a [u8]) -> u64 {
    measure(|| drop(T::decode(Oid(oid), raw))).bytes_max
}

/// An array of one dimension, whatever its head declares.
fn array(element: u32, declared: usize, body: &[u8]) -> Vec<u8> {
    let declared = u32::try_from(declared).unwrap();
    let head = [1, 1, element, declared, 1].map(u32::to_be_bytes).concat();
    [&head, body].concat()
}

/// A count that bytes can be thought to allow makes no more place than the bytes themselves have.
#[test]
fn a_value_that_declares_too_much_is_held_as_far_as_its_bytes_go() {
    // Nowhere an element that can be read: its length is negative, or its text has no end.
    let wrong = vec![0xfe; LARGE];
    let declared = |least: usize| u32::try_from(LARGE / least).unwrap().to_be_bytes();
    let counted = |least: usize| [&declared(least)[..], &wrong].concat();
    let texts = array(25, LARGE / 4, &wrong);
    let matrix = {
        let head = [2, 1, 25, u32::try_from(LARGE / 4).unwrap(), 1, 1, 1].map(u32::to_be_bytes);
        [&head.concat()[..], &wrong].concat()
    };
    let nodes = array(NODE, LARGE / 4, &wrong);
    for (what, held) in [
        ("texts", held_of::<Vec<Option<String>>>(1009, &texts)),
        ("an array of texts", held_of::<Array<Option<String>>>(1009, &texts)),
        ("lists of texts", held_of::<Vec<Vec<Option<String>>>>(1009, &matrix)),
        ("composites", held_of::<Vec<Node>>(NODES, &nodes)),
        ("ranges", held_of::<Multirange<i64>>(4536, &counted(4))),
        ("lexemes", held_of::<TsVector>(3614, &counted(4))),
        ("parts of a query", held_of::<TsQuery>(3615, &counted(2))),
        ("fields", held_of::<Record<'_>>(2249, &counted(8))),
    ] {
        println!("allocation: {what} that never come: {held} bytes held of {LARGE}");
        assert!(held <= u64::try_from(LARGE).unwrap() + SLACK, "{what}: {held} bytes");
    }
}

/// Composites that hold arrays of themselves, each of which declares as much as its bytes allow.
#[test]
fn values_that_lie_in_each_other_are_held_as_far_as_their_bytes_go() {
    let mut raw = vec![0xfe; LARGE];
    for _ in 0..23 {
        // The rest of the array is what the next one lies in: one element, and as many declared as there are bytes for.
        let children = array(NODE, raw.len() / 4, &sized(&raw));
        let head = [&[0, 0, 0, 2, 0, 0, 0, 25, 255, 255, 255, 255][..], &NODES.to_be_bytes()];
        raw = [head.concat(), sized(&children)].concat();
    }
    // It is read down to what can't be.
    let error = Node::decode(Oid(NODE), &raw).map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidLength);
    let held = held_of::<Node>(NODE, &raw);
    println!("allocation: composites in each other: {held} bytes held of {}", raw.len());
    assert!(held <= u64::try_from(raw.len()).unwrap(), "{held} bytes");
}

/// A value with its length in front.
fn sized(raw: &[u8]) -> Vec<u8> {
    [&u32::try_from(raw.len()).unwrap().to_be_bytes()[..], raw].concat()
}

#[test]
fn a_large_value_takes_what_is_promised() {
    let numbers = array(23, LARGE / 8, &[0, 0, 0, 4, 0, 0, 0, 7].repeat(LARGE / 8));
    held_to("an array of numbers", numbers.len(), held_of::<Vec<i32>>(1007, &numbers));
    let long = array(25, LARGE / 64, &sized(&[b'x'; 60]).repeat(LARGE / 64));
    held_to("an array of texts", long.len(), held_of::<Vec<String>>(1009, &long));
    // The worst that there is: three times six times its bytes, as the page of the types says.
    let nulls = array(25, LARGE / 4, &vec![0xff; LARGE]);
    let held = held_of::<Vec<Option<String>>>(1009, &nulls);
    println!("allocation: an array of NULLs: {held} bytes held of {LARGE}");
    assert!(held <= u64::try_from(18 * LARGE).unwrap(), "{held} bytes");
    // As COPY in text form has it.
    let text = format!("{{{}x}}", "x,".repeat(LARGE / 2));
    let read = || from_text(Oid(1009), &Catalog::new(), &text, &mut Buffer::new());
    assert_eq!(read(), Ok(()));
    held_to("the text of an array", text.len(), measure(|| assert!(read().is_ok())).bytes_max);
}

/// Nothing recurses as deep as bytes say: the corpus and all hostile values fit a stack of 256 KiB.
#[test]
fn everything_runs_on_a_small_stack() {
    let small = std::thread::Builder::new().stack_size(256 * 1024).spawn(|| {
        let corpus = corpus();
        corpus.iter().for_each(|(_, input)| kind::run(input));
        let values = hostile::values();
        for reader in value::READERS {
            values.iter().for_each(|raw| (reader.read)(u8::MAX, raw));
        }
        println!("small stack: {} inputs, {} values", corpus.len(), values.len());
    });
    small.unwrap().join().unwrap();
}
