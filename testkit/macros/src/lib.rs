//! The attribute `#[stellata_testkit::test]`, made from the tokens of a function's head alone, so
//! that it costs no dependency.

use proc_macro::{Delimiter, Group, Span, TokenStream, TokenTree};

/// Makes a test of an async function: `async fn name(database: &Database)` gets a fresh database
/// as from `with_database`, `async fn name()` only the runtime and the time limit of `run`. Either
/// may return what a test may return. Other attributes, such as `#[ignore]` and `#[should_panic]`,
/// are kept.
#[proc_macro_attribute]
pub fn test(arguments: TokenStream, function: TokenStream) -> TokenStream {
    match expand(&arguments, function) {
        Ok(tokens) => tokens,
        Err((message, span)) => complain(message, span),
    }
}

type Refusal = (&'static str, Span);

const WANTED: &str = "a test is `async fn name(database: &Database)` or `async fn name()`";

/// The function stays as it is, inside one without arguments that hands it to the testkit:
/// what is wrong with it is told at the words of its author.
fn expand(arguments: &TokenStream, function: TokenStream) -> Result<TokenStream, Refusal> {
    if !arguments.is_empty() {
        return Err(("this attribute takes no arguments", Span::call_site()));
    }
    let tokens: Vec<TokenTree> = function.into_iter().collect();
    let start = position(&tokens, "async").ok_or((WANTED, Span::call_site()))?;
    let (attributes, item) = tokens.split_at(start);
    let [_, keyword, TokenTree::Ident(name), TokenTree::Group(parameters), rest @ ..] = item else {
        return Err((WANTED, Span::call_site()));
    };
    let is_function = is_word(keyword, "fn") && parameters.delimiter() == Delimiter::Parenthesis;
    let Some((_body, output)) = rest.split_last().filter(|_| is_function) else {
        return Err((WANTED, name.span()));
    };
    let runner = match parameters.stream().is_empty() {
        true => format!("::stellata_testkit::run({name}())"),
        false => format!("::stellata_testkit::with_database({name})"),
    };
    let mut body: TokenStream = item.iter().cloned().collect();
    body.extend(parse(&runner)?);
    let mut test: TokenStream = parse("#[::core::prelude::v1::test]")?;
    test.extend(attributes.iter().cloned());
    test.extend([TokenTree::from(proc_macro::Ident::new("fn", Span::call_site()))]);
    test.extend([TokenTree::from(name.clone())]);
    test.extend([TokenTree::from(Group::new(Delimiter::Parenthesis, TokenStream::new()))]);
    test.extend(output.iter().cloned());
    test.extend([TokenTree::from(Group::new(Delimiter::Brace, body))]);
    Ok(test)
}

fn is_word(token: &TokenTree, word: &str) -> bool {
    matches!(token, TokenTree::Ident(ident) if ident.to_string() == word)
}

fn position(tokens: &[TokenTree], word: &str) -> Option<usize> {
    tokens.iter().position(|token| is_word(token, word))
}

fn parse(source: &str) -> Result<TokenStream, Refusal> {
    source.parse().map_err(|_| (WANTED, Span::call_site()))
}

fn complain(message: &str, span: Span) -> TokenStream {
    let error: TokenStream =
        format!("::core::compile_error!({message:?});").parse().unwrap_or_default();
    error
        .into_iter()
        .map(|mut token| {
            token.set_span(span);
            token
        })
        .collect()
}
