//! Finds the ends of patterns and expressions in macro input, and creates errors ([`Fault`]).
//!
//! # Invariants
//! Nothing here validates a pattern or an expression. It only finds the delimiters of the macros' own grammar (`=`, `,`,
//! `=>`); the compiler checks the rest.

use proc_macro::{Delimiter, Spacing, Span, TokenStream, TokenTree};

use crate::template::{Fill, fill};

/// An error in macro input, and its location.
#[derive(Debug)]
pub(crate) struct Fault {
    span: Span,
    message: String,
}

impl Fault {
    pub(crate) fn new(span: Span, message: impl Into<String>) -> Self {
        Self { span, message: message.into() }
    }

    /// Creates an error at the token with this index, or at the macro call if the input ends before it.
    pub(crate) fn at(tokens: &[TokenTree], index: usize, message: impl Into<String>) -> Self {
        let span = tokens.get(index).map_or_else(Span::call_site, TokenTree::span);
        Self::new(span, message)
    }

    /// Returns a `compile_error!` with the message.
    pub(crate) fn into_tokens(self) -> TokenStream {
        let message = Fill::Text(format!("{:?}", self.message));
        fill(self.span, "::core::compile_error! { $message }", &[("message", message)])
    }
}

pub(crate) fn is_ident(token: Option<&TokenTree>, name: &str) -> bool {
    matches!(token, Some(TokenTree::Ident(ident)) if ident.to_string() == name)
}

pub(crate) fn is_punct(token: Option<&TokenTree>, char: char) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == char)
}

/// Returns whether a punctuation of two characters begins at `index`.
pub(crate) fn is_pair(tokens: &[TokenTree], index: usize, pair: [char; 2]) -> bool {
    matches!(tokens.get(index), Some(TokenTree::Punct(first))
        if first.as_char() == pair[0] && first.spacing() == Spacing::Joint)
        && is_punct(tokens.get(index + 1), pair[1])
}

pub(crate) fn is_fat_arrow(tokens: &[TokenTree], index: usize) -> bool {
    is_pair(tokens, index, ['=', '>'])
}

/// Returns whether the token is a block, written directly or passed by another macro as `$x:block`.
pub(crate) fn is_block(token: &TokenTree) -> bool {
    let TokenTree::Group(group) = token else { return false };
    match group.delimiter() {
        Delimiter::Brace => true,
        Delimiter::None => {
            let mut inner = group.stream().into_iter();
            inner.next().is_some_and(|first| is_block(&first)) && inner.next().is_none()
        }
        _ => false,
    }
}

/// Returns the index of the `=` after the pattern that begins at `start`. An `Err` is the index of a token that can't be in
/// a pattern, or the length if the input ends first.
pub(crate) fn pattern_end(tokens: &[TokenTree], start: usize) -> Result<usize, usize> {
    let mut index = start;
    while let Some(token) = tokens.get(index) {
        match token {
            TokenTree::Ident(ident) if ident.to_string() == "if" => return Err(index),
            TokenTree::Punct(punct) => match punct.as_char() {
                ',' | ';' | '?' => return Err(index),
                '<' => index = skip_angles(tokens, index),
                '.' if is_pair(tokens, index, ['.', '.']) => {
                    index += 2;
                    // `..=`
                    if is_punct(tokens.get(index), '=') {
                        index += 1;
                    }
                }
                '=' if is_fat_arrow(tokens, index) || is_pair(tokens, index, ['=', '=']) => {
                    return Err(index);
                }
                '=' => return Ok(index),
                _ => index += 1,
            },
            _ => index += 1,
        }
    }
    Err(index)
}

/// Returns the end of the expression that begins at `start`: a `,` or `=>` outside all brackets, or the end of the input.
///
/// A comma may also separate generic arguments (`f::<A, B>()`, `<A as T<B, C>>::f()`, `x as F<A, B>`) or a closure's
/// parameters. So the loop tracks whether an operand may begin: only then do `<` and `|` open such a list. Elsewhere they are
/// operators.
pub(crate) fn expression_end(tokens: &[TokenTree], start: usize) -> usize {
    let mut index = start;
    let mut operand_may_begin = true;
    while let Some(token) = tokens.get(index) {
        match token {
            TokenTree::Group(_) | TokenTree::Literal(_) => {
                operand_may_begin = false;
                index += 1;
            }
            TokenTree::Ident(ident) => {
                let name = ident.to_string();
                index += 1;
                // After a dot, any name is a field, a method or `.await`.
                let follows_dot = index >= start + 2
                    && is_punct(tokens.get(index - 2), '.')
                    && !ends_range(tokens, index - 2, start);
                if name == "as" && !follows_dot {
                    index = skip_cast_type(tokens, index);
                    operand_may_begin = false;
                } else {
                    operand_may_begin = !follows_dot && precedes_operand(&name);
                }
            }
            TokenTree::Punct(punct) => match punct.as_char() {
                ',' => return index,
                '=' if is_fat_arrow(tokens, index) => return index,
                ':' if is_pair(tokens, index, [':', ':']) => {
                    index += 2;
                    if is_punct(tokens.get(index), '<') {
                        index = skip_angles(tokens, index);
                        operand_may_begin = false;
                    }
                }
                // A qualified path, or the binder of `for<'a> |…|`. The operand continues after it.
                '<' if operand_may_begin => index = skip_angles(tokens, index),
                '|' if operand_may_begin => index = skip_closure_head(tokens, index),
                '?' => {
                    operand_may_begin = false;
                    index += 1;
                }
                // A label or a lifetime: the quote and its name.
                '\'' => index += 2,
                // An attribute.
                '#' if matches!(tokens.get(index + 1), Some(TokenTree::Group(_))) => index += 2,
                first => {
                    operand_may_begin = true;
                    index += 1;
                    // In `<=`, `==`, `&&`, `<<` and the like, the second character begins nothing.
                    let doubled = is_pair(tokens, index - 1, [first, first]) && "<>&|=.".contains(first);
                    if doubled || is_pair(tokens, index - 1, [first, '=']) {
                        index += 1;
                    }
                }
            },
        }
    }
    index
}

/// Returns whether the dot at `index` is the second of `..`, so that an operand follows, not a field.
fn ends_range(tokens: &[TokenTree], index: usize, start: usize) -> bool {
    index > start && is_pair(tokens, index - 1, ['.', '.'])
}

fn precedes_operand(name: &str) -> bool {
    matches!(
        name,
        "async"
            | "break"
            | "const"
            | "else"
            | "for"
            | "if"
            | "in"
            | "let"
            | "loop"
            | "match"
            | "move"
            | "mut"
            | "return"
            | "static"
            | "unsafe"
            | "while"
            | "yield"
    )
}

/// Returns the index after the `>` that closes the `<` at `index`.
fn skip_angles(tokens: &[TokenTree], mut index: usize) -> usize {
    let mut depth = 0_usize;
    while let Some(token) = tokens.get(index) {
        if let TokenTree::Punct(punct) = token {
            match punct.as_char() {
                '-' if is_pair(tokens, index, ['-', '>']) => index += 1,
                '<' => depth += 1,
                '>' => depth -= 1,
                _ => {}
            }
        }
        index += 1;
        if depth == 0 {
            break;
        }
    }
    index
}

/// Returns the index after the closure's parameters, which the `|` at `index` opens, and its return type.
fn skip_closure_head(tokens: &[TokenTree], mut index: usize) -> usize {
    index += 1;
    while index < tokens.len() && !is_punct(tokens.get(index), '|') {
        index += 1;
    }
    index += 1;
    if is_pair(tokens, index, ['-', '>']) {
        while index < tokens.len() && !is_block(&tokens[index]) {
            index += 1;
        }
    }
    index
}

/// Returns the index after the type of a cast, which begins at `index`.
fn skip_cast_type(tokens: &[TokenTree], mut index: usize) -> usize {
    loop {
        match tokens.get(index) {
            Some(TokenTree::Punct(punct)) => match punct.as_char() {
                '&' | '*' | '!' => index += 1,
                '\'' => index += 2,
                ':' if is_pair(tokens, index, [':', ':']) => index += 2,
                '<' if !is_pair(tokens, index, ['<', '<']) && !is_pair(tokens, index, ['<', '=']) => {
                    index = skip_angles(tokens, index);
                }
                _ => return index,
            },
            Some(TokenTree::Ident(_) | TokenTree::Group(_)) => index += 1,
            _ => return index,
        }
    }
}
