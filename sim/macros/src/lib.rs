//! The procedural macros of timeloop: the attributes `test` and `main`, and the implementations of `select!`, `join!` and
//! `try_join!`. The crate `timeloop` documents them.
//!
//! # Invariants
//! The crate does not use `syn` or `quote`, since every user compiles it first. The generated code contains no `unsafe`,
//! and its names are invisible to the user's code.

mod arguments;
mod attributes;
mod duration;
mod function;
mod join;
mod manifest;
mod select;
mod template;
mod tokens;

use proc_macro::{TokenStream, TokenTree};

use crate::join::Until;
use crate::tokens::{Fault, is_punct};

/// Explores an `async fn` as a test.
#[proc_macro_attribute]
pub fn test(arguments: TokenStream, item: TokenStream) -> TokenStream {
    expand_attribute(arguments, item, attributes::expand_test)
}

/// Runs an `async fn main` once.
#[proc_macro_attribute]
pub fn main(arguments: TokenStream, item: TokenStream) -> TokenStream {
    expand_attribute(arguments, item, attributes::expand_main)
}

/// Implements `timeloop::select!`. The input is the path of `timeloop`, a semicolon and the branches.
#[proc_macro]
pub fn select(input: TokenStream) -> TokenStream {
    expand_bang(input, select::expand)
}

/// Implements `timeloop::join!`. The input is the path of `timeloop`, a semicolon and the expressions.
#[proc_macro]
pub fn join(input: TokenStream) -> TokenStream {
    expand_bang(input, |root, tokens| join::expand(root, tokens, Until::All))
}

/// Implements `timeloop::try_join!`. The input is the path of `timeloop`, a semicolon and the expressions.
#[proc_macro]
pub fn try_join(input: TokenStream) -> TokenStream {
    expand_bang(input, |root, tokens| join::expand(root, tokens, Until::AllOrError))
}

type Bang = fn(&TokenTree, &[TokenTree]) -> Result<TokenStream, Fault>;

fn expand_bang(input: TokenStream, expand: Bang) -> TokenStream {
    let tokens: Vec<TokenTree> = input.into_iter().collect();
    let [root @ TokenTree::Ident(_), semicolon, rest @ ..] = tokens.as_slice() else {
        panic!("this macro is only for the macros of `timeloop`");
    };
    assert!(is_punct(Some(semicolon), ';'), "this macro is only for the macros of `timeloop`");
    expand(root, rest).unwrap_or_else(Fault::into_tokens)
}

type Attribute = fn(&[TokenTree], &[TokenTree]) -> Result<TokenStream, Fault>;

fn expand_attribute(arguments: TokenStream, item: TokenStream, expand: Attribute) -> TokenStream {
    let arguments: Vec<TokenTree> = arguments.into_iter().collect();
    let tokens: Vec<TokenTree> = item.clone().into_iter().collect();
    expand(&arguments, &tokens).unwrap_or_else(|fault| {
        // Keep the item, so that the compiler reports its other errors, and editors know it.
        let mut out = fault.into_tokens();
        out.extend(item);
        out
    })
}
