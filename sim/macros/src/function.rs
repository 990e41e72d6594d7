//! Reads the function under an attribute.
//!
//! # Invariants
//! A [`Function`] is an `async fn`. Under `#[test]` it has neither parameters nor generics. Anything else is an error that says
//! what to write.

use proc_macro::{Delimiter, Group, Ident, Span, TokenTree};

use crate::tokens::{Fault, is_ident, is_pair, is_punct};

/// What an attribute accepts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Accepts {
    /// Functions without parameters and generics, which are not tests already.
    NoParameters,
    Everything,
}

pub(crate) struct Function {
    pub(crate) attributes: Vec<TokenTree>,
    pub(crate) visibility: Vec<TokenTree>,
    /// From `async` to the end of the body.
    pub(crate) item: Vec<TokenTree>,
    pub(crate) fn_token: TokenTree,
    pub(crate) name: Ident,
    pub(crate) parameters: Group,
    /// The return type without its arrow; empty if there is none.
    pub(crate) output: Vec<TokenTree>,
    pub(crate) body: TokenTree,
    is_generic: bool,
}

/// Reads the function; `attribute` is the attribute's name in messages: `#[timeloop::test]`.
pub(crate) fn read(tokens: &[TokenTree], attribute: &str, accepts: Accepts) -> Result<Function, Fault> {
    let no_function =
        |index| Fault::at(tokens, index, format!("`{attribute}` belongs on an `async fn` with a body"));
    let mut index = 0;
    while is_punct(tokens.get(index), '#') && matches!(tokens.get(index + 1), Some(TokenTree::Group(_))) {
        index += 2;
    }
    let attributes = tokens[..index].to_vec();
    if accepts == Accepts::NoParameters
        && let Some(TokenTree::Group(group)) =
            tokens[..index].iter().skip(1).step_by(2).find(|attribute| is_plain_test(attribute))
    {
        return Err(Fault::new(
            group.span(),
            format!("`{attribute}` already makes this a test; remove this `#[test]`"),
        ));
    }

    let start = index;
    if is_ident(tokens.get(index), "pub") {
        index += 1;
        if matches!(tokens.get(index), Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Parenthesis)
        {
            index += 1;
        }
    }
    let visibility = tokens[start..index].to_vec();

    let item_start = index;
    let Some(fn_index) = (index..tokens.len()).find(|&at| is_ident(tokens.get(at), "fn")) else {
        return Err(no_function(index));
    };
    let qualifiers = &tokens[item_start..fn_index];
    match qualifiers {
        [only] if is_ident(Some(only), "async") => {}
        [] => {
            let message = format!("`{attribute}` runs an async function; write `async fn`");
            return Err(Fault::at(tokens, fn_index, message));
        }
        _ => {
            let message =
                format!("`{attribute}` belongs on a plain `async fn`, without `const`, `unsafe` or `extern`");
            return Err(Fault::at(tokens, item_start, message));
        }
    }
    let Some(TokenTree::Ident(name)) = tokens.get(fn_index + 1) else {
        return Err(no_function(fn_index + 1));
    };
    let is_generic = is_punct(tokens.get(fn_index + 2), '<');
    if is_generic && accepts == Accepts::NoParameters {
        let message = format!(
            "a function under `{attribute}` can't be generic: no caller determines its type parameters"
        );
        return Err(Fault::at(tokens, fn_index + 2, message));
    }
    let parameters_index = if is_generic { generics_end(tokens, fn_index + 2) } else { fn_index + 2 };
    let Some(TokenTree::Group(parameters)) = tokens.get(parameters_index) else {
        return Err(no_function(parameters_index));
    };
    if !parameters.stream().is_empty() && accepts == Accepts::NoParameters {
        let message =
            format!("a function under `{attribute}` takes no parameters: no caller passes the arguments");
        return Err(Fault::new(parameters.span(), message));
    }
    index = parameters_index + 1;
    let mut output = Vec::new();
    if is_pair(tokens, index, ['-', '>']) {
        index += 2;
        let end = (index..tokens.len()).find(|&at| is_body(&tokens[at]) || is_ident(tokens.get(at), "where"));
        output = tokens[index..end.unwrap_or(tokens.len())].to_vec();
    }
    let body = match tokens.last() {
        Some(body) if is_body(body) => body.clone(),
        _ => return Err(no_function(tokens.len() - 1)),
    };
    Ok(Function {
        attributes,
        visibility,
        item: tokens[item_start..].to_vec(),
        fn_token: tokens[fn_index].clone(),
        name: name.clone(),
        parameters: parameters.clone(),
        output,
        body,
        is_generic,
    })
}

impl Function {
    pub(crate) fn has_attribute(&self, name: &str) -> bool {
        self.attributes.iter().any(|token| {
            let TokenTree::Group(group) = token else { return false };
            is_ident(group.stream().into_iter().next().as_ref(), name)
        })
    }

    /// Returns whether calling the function takes arguments, or types.
    pub(crate) fn has_parameters(&self) -> bool {
        self.is_generic || !self.parameters.stream().is_empty()
    }

    /// Returns the function without `async` and without its body.
    pub(crate) fn signature(&self) -> &[TokenTree] {
        &self.item[1..self.item.len() - 1]
    }

    /// Returns the location of the return type, for compiler errors about it.
    pub(crate) fn output_span(&self) -> Span {
        self.output.first().map_or(self.name.span(), TokenTree::span)
    }

    /// Returns the name without `r#`.
    pub(crate) fn plain_name(&self) -> String {
        let name = self.name.to_string();
        name.strip_prefix("r#").map_or_else(|| name.clone(), str::to_owned)
    }
}

/// Returns the index after the generics that begin at `start`.
fn generics_end(tokens: &[TokenTree], start: usize) -> usize {
    let mut depth = 0;
    for index in start..tokens.len() {
        if is_punct(tokens.get(index), '<') {
            depth += 1;
        } else if is_punct(tokens.get(index), '>') && !is_pair(tokens, index - 1, ['-', '>']) {
            depth -= 1;
            if depth == 0 {
                return index + 1;
            }
        }
    }
    tokens.len()
}

fn is_body(token: &TokenTree) -> bool {
    matches!(token, TokenTree::Group(group) if group.delimiter() == Delimiter::Brace)
}

/// Returns whether the attribute is `#[test]`.
fn is_plain_test(attribute: &TokenTree) -> bool {
    let TokenTree::Group(group) = attribute else { return false };
    group.stream().to_string() == "test"
}
