//! Wrong models and wrong rows, each with the message that its author sees.
//!
//! `TRYBUILD=overwrite cargo test -p stellata --test ui` writes the messages anew: read them as a user would.

#[test]
fn mistakes_are_told_on_the_line_they_are_made_on() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
