//! Large objects.

use std::io::SeekFrom;

use stellata_client::{LargeObjectMode, Oid};
use tokio::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};

use super::{Case, Subject};

pub(super) const SUBJECT: Subject = Subject {
    cases: CASES,
    // Every transaction in which one is made is rolled back.
    always: &["select not exists (select from pg_catalog.pg_largeobject_metadata)"],
};

const NUMBER: Oid = Oid(77_777);

const CASES: &[Case] = &[
    Case {
        items: &[
            "client Connection::create_large_object",
            "client Connection::create_large_object_as",
            "client Connection::unlink_large_object",
        ],
        work: |c| {
            Box::pin(async {
                c.execute("begin", ()).await?;
                let made = c.create_large_object().await?;
                c.create_large_object_as(NUMBER).await?;
                c.unlink_large_object(made).await?;
                c.unlink_large_object(NUMBER).await?;
                c.execute("commit", ()).await.map(drop)
            })
        },
    },
    Case {
        items: &[
            "client Connection::open_large_object",
            "client LargeObject::write",
            "client LargeObject::write_all",
            "client LargeObject::seek",
            "client LargeObject::size",
            "client LargeObject::truncate",
            "client LargeObject::read",
            "client LargeObject::read_to_end",
            "client LargeObject::close",
        ],
        work: |c| {
            Box::pin(async {
                c.execute("begin", ()).await?;
                let oid = c.create_large_object().await?;
                let mut object = c.open_large_object(oid, LargeObjectMode::ReadWrite).await?;
                assert_eq!(object.write(b"some").await?, 4);
                object.write_all(b" bytes").await?;
                assert_eq!(object.size().await?, 10);
                object.truncate(8).await?;
                assert_eq!(object.seek(SeekFrom::End(-6)).await?, 2);
                let mut some = [0; 2];
                assert_eq!(object.read(&mut some).await?, 2);
                assert_eq!(&some, b"me");
                let mut rest = Vec::new();
                object.read_to_end(&mut rest).await?;
                assert_eq!(rest, b" byt");
                object.close().await?;
                c.execute("rollback", ()).await.map(drop)
            })
        },
    },
    Case {
        items: &["client LargeObjectStream::into_object"],
        work: |c| {
            Box::pin(async {
                c.execute("begin", ()).await?;
                let oid = c.create_large_object().await?;
                let object = c.open_large_object(oid, LargeObjectMode::ReadWrite).await?;
                let mut stream = object.into_stream();
                stream.write_all(b"some bytes").await.unwrap();
                stream.seek(SeekFrom::Start(5)).await.unwrap();
                let mut two = [0; 2];
                stream.read_exact(&mut two).await.unwrap();
                assert_eq!(&two, b"by");
                stream.write_all(b"r").await.unwrap();
                assert_eq!(stream.into_object().await?.position(), 8);
                c.execute("rollback", ()).await.map(drop)
            })
        },
    },
    Case {
        // A call that was dropped half-way has moved nothing: the next one finds the place again.
        items: &[],
        work: |c| {
            Box::pin(async {
                c.execute("begin", ()).await?;
                let oid = c.create_large_object().await?;
                let mut object = c.open_large_object(oid, LargeObjectMode::ReadWrite).await?;
                object.write_all(b"0123456789").await?;
                object.seek(SeekFrom::Start(0)).await?;
                for at in 0..4_u8 {
                    let mut digit = [0];
                    for polls in [1, usize::from(at) * 9] {
                        if super::poll_and_drop(polls, object.read(&mut digit)).await.is_some() {
                            object.seek(SeekFrom::Start(u64::from(at))).await?;
                        }
                    }
                    object.read(&mut digit).await?;
                    assert_eq!(digit, [b'0' + at]);
                }
                object.close().await?;
                c.execute("rollback", ()).await.map(drop)
            })
        },
    },
];
