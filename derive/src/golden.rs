//! The expansion held against golden files, which are ordinary Rust that `stellata` compiles in its own tests.
//!
//! `UPDATE_EXPECT=1 cargo test -p stellata-derive` writes them anew.

use std::fs;
use std::path::{Path, PathBuf};

use quote::ToTokens;
use syn::{File, Item, ItemStruct};

use crate::derive;

/// How long the expansion of a model with eight columns and two relations may be.
const LINES_MAX: usize = 260;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../orm/tests/expand")
}

/// The struct as the compiler sees it behind the derive, and the derive's own code.
fn expand(name: &str) -> (String, String) {
    let source = fs::read_to_string(folder().join(format!("{name}.rs"))).unwrap();
    let mut item: ItemStruct = syn::parse_str(&source).unwrap();
    let code: File = syn::parse2(derive(item.to_token_stream())).unwrap();
    let plain = |attribute: &syn::Attribute| attribute.path().is_ident("doc");
    item.attrs.retain(plain);
    for field in &mut item.fields {
        field.attrs.retain(plain);
    }
    let item = File {
        shebang: None,
        frontmatter: None,
        attrs: Vec::new(),
        items: vec![Item::Struct(item)],
    };
    (prettyplease::unparse(&item), prettyplease::unparse(&code))
}

fn check(name: &str) {
    let (item, code) = expand(name);
    let actual = format!("{item}\n{code}");
    let path = folder().join(format!("{name}.expanded.rs"));
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        fs::write(&path, &actual).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        expected == actual,
        "{} is not what the derive writes. UPDATE_EXPECT=1 writes it anew; read the difference.\n{actual}",
        path.display(),
    );
}

#[test]
fn a_model_with_eight_columns_expands_to_what_a_person_can_read() {
    check("track");
}

#[test]
fn a_model_with_a_composite_key_expands_to_what_a_person_can_read() {
    check("seat");
}

#[test]
fn the_expansion_stays_within_its_budget() {
    let (_, code) = expand("track");
    let lines = code.lines().count();
    assert!(lines <= LINES_MAX, "{lines} lines, and {LINES_MAX} are allowed");
}
