//! Expands `select!` to an expression that polls the branches.
//!
//! # Invariants
//! The user's code stays in the user's scope, so that `?`, `return`, `break` and `.await` keep their meaning. Only patterns
//! are also matched inside the poll closure. The futures are dropped before a handler runs.

use proc_macro::{Span, TokenStream, TokenTree};

use crate::template::{Fill, fill};
use crate::tokens::{
    Fault, expression_end, is_block, is_fat_arrow, is_ident, is_pair, is_punct, pattern_end,
};

/// The same limit as in tokio. A set of branches is a `u64`.
const BRANCHES_MAX: usize = 64;
/// The number of outcomes of one `__private::Select`; for more branches, it is nested.
const BRANCHES_PER_SELECT: usize = 8;

const FORM: &str = "`<pattern> = <async expression> => <handler>`";

struct Branch<'a> {
    pattern: &'a [TokenTree],
    future: &'a [TokenTree],
    precondition: Option<&'a [TokenTree]>,
    handler: &'a [TokenTree],
}

struct Select<'a> {
    biased: bool,
    branches: Vec<Branch<'a>>,
    otherwise: Option<&'a [TokenTree]>,
}

/// Expands the macro; `root` is the path of the crate `timeloop`, and `tokens` is the macro's input.
pub(crate) fn expand(root: &TokenTree, tokens: &[TokenTree]) -> Result<TokenStream, Fault> {
    Ok(write(root, &read(tokens)?))
}

fn read(tokens: &[TokenTree]) -> Result<Select<'_>, Fault> {
    let biased = is_ident(tokens.first(), "biased") && is_punct(tokens.get(1), ';');
    let mut index = if biased { 2 } else { 0 };
    let mut select = Select { biased, branches: Vec::new(), otherwise: None };
    if index == tokens.len() {
        return Err(Fault::new(Span::call_site(), format!("`select!` needs at least one branch: {FORM}")));
    }
    while index < tokens.len() {
        if is_ident(tokens.get(index), "else") {
            if !is_fat_arrow(tokens, index + 1) {
                return Err(Fault::at(
                    tokens,
                    index,
                    "`else` of `select!` takes no pattern and no condition: `else => <expression>`",
                ));
            }
            let (otherwise, end) = read_handler(tokens, index + 1)?;
            if end < tokens.len() {
                return Err(Fault::at(
                    tokens,
                    end,
                    "`else` is the last branch of `select!`; move this one before it",
                ));
            }
            select.otherwise = Some(otherwise);
            break;
        }
        if is_ident(tokens.get(index), "biased") && is_punct(tokens.get(index + 1), ';') {
            return Err(Fault::at(
                tokens,
                index,
                "`biased;` is allowed once, before the first branch of `select!`",
            ));
        }
        let (branch, end) = read_branch(tokens, index)?;
        if select.branches.len() == BRANCHES_MAX {
            return Err(Fault::at(tokens, index, format!("`select!` takes at most {BRANCHES_MAX} branches")));
        }
        select.branches.push(branch);
        index = end;
    }
    Ok(select)
}

fn read_branch(tokens: &[TokenTree], start: usize) -> Result<(Branch<'_>, usize), Fault> {
    let equals = pattern_end(tokens, start).map_err(|wrong| {
        let message = if is_pair(tokens, wrong, ['=', '=']) {
            format!("a branch of `select!` has a single `=` after its pattern: {FORM}")
        } else if is_ident(tokens.get(wrong), "if") {
            "a precondition comes after the async expression: `<pattern> = <async expression>, if <precondition> => <handler>`".to_owned()
        } else {
            format!("no `=` after the pattern of this branch of `select!`; a branch is {FORM}")
        };
        Fault::at(tokens, if wrong < tokens.len() { wrong } else { start }, message)
    })?;
    if equals == start {
        return Err(Fault::at(
            tokens,
            start,
            format!("no pattern before this `=`; a branch of `select!` is {FORM}"),
        ));
    }
    let future = expression_end(tokens, equals + 1);
    if future == equals + 1 {
        return Err(Fault::at(
            tokens,
            equals,
            format!("no async expression after this `=`; a branch of `select!` is {FORM}"),
        ));
    }
    let mut arrow = future;
    let mut precondition = None;
    if is_punct(tokens.get(future), ',') {
        if !is_ident(tokens.get(future + 1), "if") {
            let message = "after its async expression, a branch of `select!` has `=> <handler>` or `, if <precondition> => <handler>`";
            return Err(Fault::at(tokens, future, message));
        }
        arrow = expression_end(tokens, future + 2);
        if arrow == future + 2 {
            return Err(Fault::at(tokens, future + 1, "no precondition after this `if`"));
        }
        precondition = Some(&tokens[future + 2..arrow]);
    }
    if !is_fat_arrow(tokens, arrow) {
        let wrong = if arrow < tokens.len() { arrow } else { start };
        return Err(Fault::at(
            tokens,
            wrong,
            format!("no `=>` and handler in this branch of `select!`; a branch is {FORM}"),
        ));
    }
    let (handler, end) = read_handler(tokens, arrow)?;
    Ok((
        Branch {
            pattern: &tokens[start..equals],
            future: &tokens[equals + 1..future],
            precondition,
            handler,
        },
        end,
    ))
}

/// Returns the handler after the arrow at `arrow`, and the start of the next branch.
fn read_handler(tokens: &[TokenTree], arrow: usize) -> Result<(&[TokenTree], usize), Fault> {
    let start = arrow + 2;
    let end = match tokens.get(start) {
        Some(first) if is_block(first) => start + 1,
        _ => expression_end(tokens, start),
    };
    if end == start {
        return Err(Fault::at(
            tokens,
            arrow,
            "no handler after this `=>`; for an empty handler, write `=> {}`",
        ));
    }
    if is_fat_arrow(tokens, end) {
        let message =
            "no comma before this branch: in `select!`, a handler that is not a block ends with a comma";
        return Err(Fault::at(tokens, end, message));
    }
    let next = if is_punct(tokens.get(end), ',') { end + 1 } else { end };
    Ok((&tokens[start..end], next))
}

fn write(root: &TokenTree, select: &Select<'_>) -> TokenStream {
    let span = Span::mixed_site();
    let root = || Fill::from(root.clone());
    let otherwise = match select.otherwise {
        Some(tokens) => fill(span, "($expression)", &[("expression", tokens.into())]),
        None => fill(span, "$root::__private::all_branches_disabled()", &[("root", root())]),
    };
    let count = select.branches.len();
    if count == 0 {
        return otherwise;
    }

    let mut preconditions = TokenStream::new();
    let mut expressions = TokenStream::new();
    let mut values = String::new();
    let mut futures = TokenStream::new();
    let mut pins = String::new();
    let mut polls = TokenStream::new();
    let mut arms = TokenStream::new();
    for (index, branch) in select.branches.iter().enumerate() {
        let bit = Fill::Text(format!("{:#x}", 1_u64 << index));
        if let Some(condition) = branch.precondition {
            // Located at the condition, where the compiler reports that it is not a `bool`.
            preconditions.extend(fill(
                span.located_at(condition[0].span()),
                "if !($condition) { __disabled |= $bit; }",
                &[("condition", condition.into()), ("bit", bit.clone())],
            ));
        }
        expressions.extend(fill(span, "$expression,", &[("expression", branch.future.into())]));
        values += &format!("__future_{index},");
        // Located at the expression, where the compiler reports that it is not a future.
        let at_expression = span.located_at(branch.future[0].span());
        let future = || Fill::Text(format!("__future_{index}"));
        futures.extend(fill(
            at_expression,
            "::core::future::IntoFuture::into_future($future),",
            &[("future", future())],
        ));
        let poll = fill(
            at_expression,
            "::core::future::Future::poll($future.as_mut(), __context)",
            &[("future", future())],
        );
        // In reverse: locals are dropped in reverse order, and futures must be dropped in the order of their branches.
        pins.insert_str(0, &format!("let mut __future_{index} = ::core::pin::pin!(__future_{index});"));
        polls.extend(write_poll(root(), (index, count), branch, poll, bit));
        arms.extend(fill(
            span,
            "$outcome => ($handler),",
            &[
                ("outcome", write_outcome(root(), index, branch.pattern.into()).into()),
                ("handler", branch.handler.into()),
            ],
        ));
    }
    let kind = if select.biased { "biased" } else { "fair" };
    fill(
        span,
        "{
            let mut __disabled: ::core::primitive::$mask = 0;
            $preconditions
            let mut __output: $types = {
                let ($values) = ($expressions);
                let ($values) = ($futures);
                $pins
                let mut __interrupted = $root::__private::NOT_INTERRUPTED;
                let __output = ::core::future::poll_fn(move |__context| {
                    if !$root::__private::has_budget(__context) {
                        return ::core::task::Poll::Pending;
                    }
                    let mut __pending = false;
                    let __turns = $root::__private::Turns::$kind(
                        &mut __interrupted,
                        ::core::convert::Into::into(__disabled),
                        $count,
                    );
                    let __first = __turns.first();
                    for __branch in __turns {
                        match __branch {
                            $polls
                            _ => {}
                        }
                    }
                    if __pending {
                        ::core::task::Poll::Pending
                    } else {
                        ::core::task::Poll::Ready($root::__private::Select::Disabled)
                    }
                })
                .await;
                __output
            };
            match __output {
                $arms
                $root::__private::Select::Disabled => $otherwise,
                _ => ::core::unreachable!(),
            }
        }",
        &[
            ("root", root()),
            ("preconditions", preconditions.into()),
            ("types", write_type(root(), count).into()),
            ("values", Fill::Text(values)),
            ("expressions", expressions.into()),
            ("futures", futures.into()),
            ("pins", Fill::Text(pins)),
            ("kind", Fill::Text(kind.into())),
            ("mask", Fill::Text(mask_of(count).into())),
            ("count", count.into()),
            ("polls", polls.into()),
            ("arms", arms.into()),
            ("otherwise", otherwise.into()),
        ],
    )
}

/// Returns the smallest type of a set of `count` branches, which makes the future small.
fn mask_of(count: usize) -> &'static str {
    match count {
        0..=8 => "u8",
        9..=16 => "u16",
        17..=32 => "u32",
        _ => "u64",
    }
}

/// Returns the arm of the poll closure for one branch.
fn write_poll(
    root: Fill,
    (index, count): (usize, usize),
    branch: &Branch<'_>,
    poll: TokenStream,
    bit: Fill,
) -> TokenStream {
    let span = Span::mixed_site();
    let value = fill(span, "__value", &[]);
    let leave = fill(
        span,
        "{
            $root::__private::select_completed($index, __disabled, $count);
            return ::core::task::Poll::Ready($outcome);
        }",
        &[
            ("root", root.clone()),
            ("index", index.into()),
            ("count", count.into()),
            ("outcome", write_outcome(root.clone(), index, value.into()).into()),
        ],
    );
    // Test whether the value matches without moving out of it. A guard, which binds by reference, runs when the pattern
    // matches. It is always false, so its arm, which would move, is never taken.
    let is_wildcard = matches!(branch.pattern, [TokenTree::Ident(ident)] if ident.to_string() == "_");
    let attempt = if is_wildcard {
        leave
    } else {
        fill(
            span,
            "let mut __matches = false;
            #[allow(unused_variables, unused_mut)]
            match __value {
                $pattern if { __matches = true; false } => ::core::unreachable!(),
                _ => {}
            }
            if __matches { $leave }",
            &[("pattern", branch.pattern.into()), ("leave", leave.into())],
        )
    };
    fill(
        span,
        "#[allow(unreachable_code)]
        $index => {
            let mut __value = match $poll {
                ::core::task::Poll::Ready(__value) => __value,
                ::core::task::Poll::Pending => {
                    __pending = true;
                    if $root::__private::is_suspended(__context) {
                        __interrupted = __first;
                        return ::core::task::Poll::Pending;
                    }
                    continue;
                }
            };
            __disabled |= $bit;
            $attempt
        }",
        &[
            ("root", root),
            ("index", index.into()),
            ("poll", poll.into()),
            ("bit", bit),
            ("attempt", attempt.into()),
        ],
    )
}

/// Returns a value or pattern of `Select`: `Select::B1(inner)`, or `Select::Rest(Select::B1(inner))` beyond the first
/// [`BRANCHES_PER_SELECT`] branches.
fn write_outcome(root: Fill, index: usize, inner: Fill) -> TokenStream {
    let span = Span::mixed_site();
    let variant = Fill::Text(format!("B{}", index % BRANCHES_PER_SELECT));
    let mut outcome = fill(
        span,
        "$root::__private::Select::$variant($inner)",
        &[("root", root.clone()), ("variant", variant), ("inner", inner)],
    );
    for _ in 0..index / BRANCHES_PER_SELECT {
        outcome = fill(
            span,
            "$root::__private::Select::Rest($inner)",
            &[("root", root.clone()), ("inner", outcome.into())],
        );
    }
    outcome
}

/// Returns the type of the outcome of `count` branches, whose value types the compiler infers.
fn write_type(root: Fill, count: usize) -> TokenStream {
    let mut values = Fill::Text("_,".repeat(count.min(BRANCHES_PER_SELECT)));
    if count > BRANCHES_PER_SELECT {
        let rest = write_type(root.clone(), count - BRANCHES_PER_SELECT);
        let full = Fill::Text("_,".repeat(BRANCHES_PER_SELECT));
        values = fill(Span::mixed_site(), "$full $rest", &[("full", full), ("rest", rest.into())]).into();
    }
    fill(Span::mixed_site(), "$root::__private::Select<$values>", &[("root", root), ("values", values)])
}
