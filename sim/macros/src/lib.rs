//! The procedural macros of timeloop: the attributes `test` and `main`, and what `select!`, `join!` and `try_join!`
//! expand to. They are documented where users import them: in the crate `timeloop`.
//!
//! Always true: built without `syn` and `quote`, since every user compiles this crate first; what it writes holds no
//! `unsafe` and shows no name of its own to the user's code.

mod arguments;
mod attributes;
mod duration;
mod function;
mod join;
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

/// What `timeloop::select!` calls: the path of `timeloop`, a semicolon, the branches.
#[proc_macro]
pub fn select(input: TokenStream) -> TokenStream {
    expand_bang(input, select::expand)
}

/// What `timeloop::join!` calls: the path of `timeloop`, a semicolon, the expressions.
#[proc_macro]
pub fn join(input: TokenStream) -> TokenStream {
    expand_bang(input, |root, tokens| join::expand(root, tokens, Until::All))
}

/// What `timeloop::try_join!` calls: the path of `timeloop`, a semicolon, the expressions.
#[proc_macro]
pub fn try_join(input: TokenStream) -> TokenStream {
    expand_bang(input, |root, tokens| join::expand(root, tokens, Until::AllOrError))
}

type Bang = fn(&TokenTree, &[TokenTree]) -> Result<TokenStream, Fault>;

fn expand_bang(input: TokenStream, expand: Bang) -> TokenStream {
    let tokens: Vec<TokenTree> = input.into_iter().collect();
    let [root @ TokenTree::Ident(_), semicolon, rest @ ..] = tokens.as_slice() else {
        panic!("called other than by the macros of `timeloop`");
    };
    assert!(is_punct(Some(semicolon), ';'), "called other than by the macros of `timeloop`");
    expand(root, rest).unwrap_or_else(Fault::into_tokens)
}

type Attribute = fn(&[TokenTree], &[TokenTree]) -> Result<TokenStream, Fault>;

fn expand_attribute(arguments: TokenStream, item: TokenStream, expand: Attribute) -> TokenStream {
    let arguments: Vec<TokenTree> = arguments.into_iter().collect();
    let tokens: Vec<TokenTree> = item.clone().into_iter().collect();
    expand(&arguments, &tokens).unwrap_or_else(|fault| {
        // The item stays, so that the compiler and editors see what else is said about it.
        let mut out = fault.into_tokens();
        out.extend(item);
        out
    })
}
