//! Builds the macros' output: Rust text with holes, filled with tokens.
//!
//! Always true: text tokens carry the span that the caller chose (so that their hygiene is the macro's own),
//! and tokens put into holes keep theirs (so that errors in a user's code point at the user's code).
//!
//! Variables in templates begin with `__`: hygiene keeps a user's variables apart from them, but not a user's constants,
//! which a pattern of that name would be compared with.

use proc_macro::{Group, Span, TokenStream, TokenTree};

/// What stands in a hole.
#[derive(Clone)]
pub(crate) enum Fill {
    /// These tokens, as they are.
    Tokens(TokenStream),
    /// This text, read as tokens that carry the template's span.
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

/// Reads `text` as Rust and puts the named tokens where it says `$name`.
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
                    None => panic!("a template of timeloop-macros has no filling for `${name}`"),
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
