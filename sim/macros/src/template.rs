//! Builds the macros' output from templates: Rust text with holes, which are filled with tokens.
//!
//! # Invariants
//! Tokens of the text have the span that the caller chose, so that they have the macro's hygiene. Tokens in holes keep their
//! own, so that errors in the user's code point at it.
//!
//! Variables in templates begin with `__`. Hygiene separates them from the user's variables, but not from constants: a
//! pattern with the name of a constant would be compared with it.

use proc_macro::{Group, Span, TokenStream, TokenTree};

/// The contents of a hole.
#[derive(Clone)]
pub(crate) enum Fill {
    /// Tokens, which are inserted unchanged.
    Tokens(TokenStream),
    /// Text, whose tokens get the template's span.
    Text(String),
}

impl From<TokenStream> for Fill {
    fn from(tokens: TokenStream) -> Self {
        Self::Tokens(tokens)
    }
}

impl From<&[TokenTree]> for Fill {
    fn from(tokens: &[TokenTree]) -> Self {
        Self::Tokens(tokens.iter().cloned().collect())
    }
}

impl From<TokenTree> for Fill {
    fn from(token: TokenTree) -> Self {
        Self::Tokens(token.into())
    }
}

impl From<String> for Fill {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<usize> for Fill {
    fn from(number: usize) -> Self {
        Self::Text(number.to_string())
    }
}

/// Parses `text` as Rust and replaces each `$name` with the contents of that hole.
pub(crate) fn fill(span: Span, text: &str, holes: &[(&str, Fill)]) -> TokenStream {
    let mut out = Vec::new();
    fill_into(&mut out, span, read(text), holes);
    out.into_iter().collect()
}

fn read(text: &str) -> TokenStream {
    match text.parse() {
        Ok(tokens) => tokens,
        Err(error) => panic!("a template of timeloop-macros is not Rust ({error}): {text}"),
    }
}

fn fill_into(out: &mut Vec<TokenTree>, span: Span, template: TokenStream, holes: &[(&str, Fill)]) {
    let mut tokens = template.into_iter();
    while let Some(mut token) = tokens.next() {
        match &token {
            TokenTree::Punct(punct) if punct.as_char() == '$' => {
                let name = match tokens.next() {
                    Some(TokenTree::Ident(name)) => name.to_string(),
                    other => panic!("a template of timeloop-macros has `$` before {other:?}"),
                };
                match holes.iter().find(|(hole, _)| *hole == name) {
                    Some((_, Fill::Tokens(tokens))) => out.extend(tokens.clone()),
                    Some((_, Fill::Text(text))) => fill_into(out, span, read(text), &[]),
                    None => panic!("a template of timeloop-macros has no contents for `${name}`"),
                }
            }
            TokenTree::Group(group) => {
                let mut inner = Vec::new();
                fill_into(&mut inner, span, group.stream(), holes);
                let mut filled = Group::new(group.delimiter(), inner.into_iter().collect());
                filled.set_span(span);
                out.push(filled.into());
            }
            _ => {
                token.set_span(span);
                out.push(token);
            }
        }
    }
}
