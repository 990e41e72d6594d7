//! Reads macro input: where a pattern ends, where an expression ends, and what to say when neither does.
//!
//! Always true: nothing here judges a pattern or an expression; it finds the edges that the macros' own grammar
//! puts around them (`=`, `,`, `=>`) and leaves the rest to the compiler.

use proc_macro::{Delimiter, Spacing, Span, TokenStream, TokenTree};

use crate::template::{Fill, fill};

/// A mistake in macro input, and where it was made.
#[derive(Debug)]
pub(crate) struct Fault {
    span: Span,
    message: String,
}

impl Fault {
    pub(crate) fn new(span: Span, message: impl Into<String>) -> Self {
        Self { span, message: message.into() }
    }

    /// At the token with this index, or at the end of the macro if the input stops before it.
    pub(crate) fn at(tokens: &[TokenTree], index: usize, message: impl Into<String>) -> Self {
        let span = tokens.get(index).map_or_else(Span::call_site, TokenTree::span);
        Self::new(span, message)
    }

    /// The tokens that make the compiler show this fault.
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

/// Whether a punctuation of two characters begins at `index`.
pub(crate) fn is_pair(tokens: &[TokenTree], index: usize, pair: [char; 2]) -> bool {
    matches!(tokens.get(index), Some(TokenTree::Punct(first))
        if first.as_char() == pair[0] && first.spacing() == Spacing::Joint)
        && is_punct(tokens.get(index + 1), pair[1])
}

pub(crate) fn is_fat_arrow(tokens: &[TokenTree], index: usize) -> bool {
    is_pair(tokens, index, ['=', '>'])
}

/// Whether the token is a block, be it written in place or handed on by another macro as `$x:block`.
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

/// Where a pattern that begins at `start` meets its `=`; an `Err` holds the index of the token that can't
/// stand in a pattern (the length, if the input ends first).
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

/// Where an expression that begins at `start` ends: at a `,` or `=>` outside all brackets, or at the end.
///
/// A comma may also stand between generic arguments (`f::<A, B>()`, `<A as T<B, C>>::f()`, `x as F<A, B>`)
/// or between a closure's parameters, so the walk keeps track of whether an operand may begin here: only then
/// do `<` and `|` open such a list; elsewhere they compare and combine.
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
                // After a dot it is a field, a method or `.await`, whatever it is called.
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
                // A qualified path, or the binder of `for<'a> |…|`; what follows is still the same operand.
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
                    // `<=`, `==`, `&&`, `<<` and the like: their second half begins nothing of its own.
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

/// Whether the dot at `index` is the second of `..`, so that an operand and no field follows.
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

/// From the `<` at `index` to behind the `>` that closes it.
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

/// From the `|` at `index` to behind the closure's parameters and its return type.
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

/// The type after `as`.
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
