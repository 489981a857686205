//! COPY in and out.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;
use stellata_client::CopyRow;
use tokio::io::AsyncWriteExt;

use super::{Case, Subject};

pub(super) const TABLES: &str = "create table copied (n int4, s text)";

pub(super) const SUBJECT: Subject = Subject {
    cases: CASES,
    // A COPY is stored as a whole or not at all.
    always: &["select count(*) % 4 = 0 from copied"],
};

/// More than one piece of data holds.
fn rows() -> impl Iterator<Item = (i32, String)> {
    (1..=4).map(|n| (n, "x".repeat(20_000)))
}

fn text() -> String {
    rows().map(|(n, s)| format!("{n}\t{s}\n")).collect()
}

/// Rows that have to be waited for.
struct Late<I> {
    rows: I,
    is_late: bool,
}

impl<I: Iterator + Unpin> Stream for Late<I> {
    type Item = I::Item;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<I::Item>> {
        self.is_late = !self.is_late;
        if self.is_late {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(self.rows.next())
    }
}

const OUT: &str = "select n, repeat('x', n) from generate_series(1, 3) n";

const CASES: &[Case] = &[
    Case {
        items: &["client CopyIn::rows"],
        work: |c| Box::pin(async { c.copy_in("copied", &[]).rows(rows()).await.map(drop) }),
    },
    Case {
        items: &["client CopyIn::stream"],
        work: |c| {
            Box::pin(async {
                let (mut rows, mut is_late) = (rows(), false);
                let stream = c.copy_in("copied", &["n", "s"]).stream(|cx| {
                    is_late = !is_late;
                    if is_late {
                        cx.waker().wake_by_ref();
                        return Poll::Pending;
                    }
                    Poll::Ready(rows.next())
                });
                stream.await.map(drop)
            })
        },
    },
    Case {
        items: &["client CopyIn::from_stream"],
        work: |c| {
            Box::pin(async {
                let stream = Late { rows: rows(), is_late: false };
                c.copy_in("copied", &["n", "s"]).from_stream(stream).await.map(drop)
            })
        },
    },
    Case {
        items: &[
            "client CopyIn::row_writer",
            "client CopyRowWriter::write",
            "client CopyRowWriter::finish",
        ],
        work: |c| {
            Box::pin(async {
                let mut writer = c.copy_in("copied", &[]).row_writer().await?;
                for row in rows() {
                    writer.write(&row as &dyn CopyRow).await?;
                }
                writer.finish().await.map(drop)
            })
        },
    },
    Case {
        items: &["client CopyRowWriter::abort"],
        work: |c| {
            Box::pin(async {
                let mut writer = c.copy_in("copied", &[]).row_writer().await?;
                for row in rows() {
                    writer.write(&row).await?;
                }
                writer.abort().await
            })
        },
    },
    Case {
        items: &["client CopyIn::read_from"],
        work: |c| {
            Box::pin(async {
                let text = text();
                c.copy_in("copied", &[]).read_from(text.as_bytes()).await.map(drop)
            })
        },
    },
    Case {
        items: &["client CopyWriter::write", "client CopyWriter::row", "client CopyWriter::finish"],
        work: |c| {
            Box::pin(async {
                let mut writer = c.copy_in("copied", &[]).writer()?;
                writer.write(text().as_bytes()).await?;
                for (n, s) in rows() {
                    writer.row([Some(n.to_string().as_str()), Some(s.as_str())]).await?;
                }
                writer.flush().await.unwrap();
                writer.finish().await.map(drop)
            })
        },
    },
    Case {
        items: &["client CopyWriter::abort"],
        work: |c| {
            Box::pin(async {
                let mut writer = c.copy_in("copied", &[]).writer()?;
                writer.write(text().as_bytes()).await?;
                writer.abort().await
            })
        },
    },
    Case {
        items: &["client CopyOut::rows", "client CopyRows::next"],
        work: |c| {
            Box::pin(async {
                let mut rows = c.copy_out_query(OUT).rows::<(i32, String)>().await?;
                while rows.next().await?.is_some() {}
                Ok(())
            })
        },
    },
    Case {
        items: &["client CopyOut::each"],
        work: |c| {
            Box::pin(async {
                let mut sum = 0;
                let each = c.copy_out_query(OUT).each(|columns| {
                    sum += columns.next::<i32>()?;
                    columns.next::<&str>().map(drop)
                });
                assert_eq!(each.await?, 3);
                assert_eq!(sum, 6);
                Ok(())
            })
        },
    },
    Case {
        items: &["client CopyOut::write_to"],
        work: |c| {
            Box::pin(async {
                let mut text = Vec::new();
                c.copy_out_query(OUT).write_to(&mut text).await?;
                assert_eq!(text, b"1\tx\n2\txx\n3\txxx\n");
                Ok(())
            })
        },
    },
    Case {
        items: &["client CopyOut::reader", "client CopyReader::piece"],
        work: |c| {
            Box::pin(async {
                let mut reader = c.copy_out_query(OUT).reader().await?;
                let mut text = Vec::new();
                while let Some(piece) = reader.piece().await? {
                    text.extend_from_slice(piece);
                }
                assert_eq!(text, b"1\tx\n2\txx\n3\txxx\n");
                Ok(())
            })
        },
    },
    Case {
        // By the functions for those who poll.
        items: &[],
        work: |c| {
            Box::pin(async {
                let mut rows = c.copy_out_query(OUT).rows::<(i32, String)>().await?;
                while let Some(row) = poll_fn(|cx| rows.poll_next(cx)).await? {
                    assert_eq!(row.1.len(), usize::try_from(row.0).unwrap());
                }
                Ok(())
            })
        },
    },
];
