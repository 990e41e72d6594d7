//! Expands `join!` and `try_join!` to an expression that polls all futures.
//!
//! # Invariants
//! A future is dropped as soon as it has completed. Its value is kept until the others have completed.

use proc_macro::{Span, TokenStream, TokenTree};

use crate::template::{Fill, fill};
use crate::tokens::{Fault, expression_end, is_ident, is_punct};

/// When the joined future completes.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Until {
    /// When all futures have completed: `join!`.
    All,
    /// When all futures have completed, or at the first error: `try_join!`.
    AllOrError,
}

/// Expands the macro; `root` is the path of the crate `timeloop`, and `tokens` is the macro's input.
pub(crate) fn expand(root: &TokenTree, tokens: &[TokenTree], until: Until) -> Result<TokenStream, Fault> {
    let biased = is_ident(tokens.first(), "biased") && is_punct(tokens.get(1), ';');
    let expressions = read(tokens, if biased { 2 } else { 0 }, until)?;
    Ok(write(root, &expressions, biased, until))
}

fn read(tokens: &[TokenTree], mut index: usize, until: Until) -> Result<Vec<&[TokenTree]>, Fault> {
    let name = if until == Until::All { "join!" } else { "try_join!" };
    let mut expressions = Vec::new();
    while index < tokens.len() {
        let end = expression_end(tokens, index);
        if end == index {
            return Err(Fault::at(
                tokens,
                index,
                format!("no async expression before this; `{name}` takes them separated by commas"),
            ));
        }
        if end < tokens.len() && !is_punct(tokens.get(end), ',') {
            return Err(Fault::at(
                tokens,
                end,
                format!("`{name}` takes async expressions separated by commas, and no `=>`"),
            ));
        }
        if let Some(semicolon) = (index..end).find(|&at| is_punct(tokens.get(at), ';')) {
            let message = format!(
                "`{name}` takes async expressions separated by commas; only `biased;` stands before them"
            );
            return Err(Fault::at(tokens, semicolon, message));
        }
        expressions.push(&tokens[index..end]);
        index = end + 1;
    }
    Ok(expressions)
}

fn write(root: &TokenTree, sources: &[&[TokenTree]], biased: bool, until: Until) -> TokenStream {
    let span = Span::mixed_site();
    if sources.is_empty() {
        return match until {
            Until::All => fill(span, "async {}.await", &[]),
            Until::AllOrError => fill(span, "async { ::core::result::Result::Ok(()) }.await", &[]),
        };
    }

    let mut expressions = TokenStream::new();
    let mut values = String::new();
    let mut futures = TokenStream::new();
    let mut pins = String::new();
    let mut polls = TokenStream::new();
    let mut outputs = TokenStream::new();
    for (index, source) in sources.iter().enumerate() {
        let future = || Fill::Text(format!("__future_{index}"));
        expressions.extend(fill(span, "$expression,", &[("expression", (*source).into())]));
        values += &format!("__future_{index},");
        // Located at the expression, where the compiler reports that it is not a future.
        let at_expression = span.located_at(source[0].span());
        let root = || {
            let TokenTree::Ident(mut root) = root.clone() else {
                unreachable!("the path of timeloop is `$crate`")
            };
            root.set_span(root.span().located_at(source[0].span()));
            Fill::from(TokenTree::from(root))
        };
        futures.extend(fill(
            at_expression,
            "$root::__private::maybe_done(::core::future::IntoFuture::into_future($future)),",
            &[("root", root()), ("future", future())],
        ));
        // In reverse: locals are dropped in reverse order, and futures must be dropped in source order.
        pins.insert_str(0, &format!("let mut __future_{index} = ::core::pin::pin!(__future_{index});"));
        let leave = match until {
            Until::All => TokenStream::new(),
            Until::AllOrError => fill(
                at_expression,
                "else if let ::core::option::Option::Some(__error) = $root::__private::take_error($future.as_mut()) {
                    return ::core::task::Poll::Ready(::core::result::Result::Err(__error));
                }",
                &[("root", root()), ("future", future())],
            ),
        };
        let poll = fill(
            at_expression,
            "::core::future::Future::poll($future.as_mut(), __context)",
            &[("future", future())],
        );
        polls.extend(fill(
            span,
            "$index => if $poll.is_pending() {
                __pending = true;
                if $root::__private::is_suspended(__context) {
                    __rounds.interrupted();
                    return ::core::task::Poll::Pending;
                }
            } $leave,",
            &[("root", root()), ("index", index.into()), ("poll", poll.into()), ("leave", leave.into())],
        ));
        let take = if until == Until::All { "take_output" } else { "take_value" };
        outputs.extend(fill(
            at_expression,
            "$root::__private::$take($future.as_mut()),",
            &[("root", root()), ("take", Fill::Text(take.into())), ("future", future())],
        ));
    }
    let outputs = match until {
        Until::All => fill(span, "($outputs)", &[("outputs", outputs.into())]),
        Until::AllOrError => {
            fill(span, "::core::result::Result::Ok(($outputs))", &[("outputs", outputs.into())])
        }
    };
    let rounds = if biased { "InOrder" } else { "Rotating" };
    fill(
        span,
        "{
            let ($values) = ($expressions);
            let ($values) = ($futures);
            $pins
            let mut __rounds = <$root::__private::$rounds::<$count> as ::core::default::Default>::default();
            let __output = ::core::future::poll_fn(move |__context| {
                let mut __pending = false;
                for __branch in __rounds.next_round() {
                    match __branch {
                        $polls
                        _ => {}
                    }
                }
                if __pending {
                    ::core::task::Poll::Pending
                } else {
                    ::core::task::Poll::Ready($outputs)
                }
            })
            .await;
            __output
        }",
        &[
            ("root", root.clone().into()),
            ("values", Fill::Text(values)),
            ("expressions", expressions.into()),
            ("futures", futures.into()),
            ("pins", Fill::Text(pins)),
            ("rounds", Fill::Text(rounds.into())),
            ("count", sources.len().into()),
            ("polls", polls.into()),
            ("outputs", outputs.into()),
        ],
    )
}
