//! The grammar of `select!`: branches, commas, preconditions, `else`, `biased;`, and expressions with commas.
//!
//! # Invariants
//! Each test compiles the syntax in its name. The value shows that it was parsed correctly.
#![expect(
    clippy::redundant_closure_call,
    clippy::never_loop,
    clippy::nonminimal_bool,
    clippy::needless_bool,
    clippy::manual_range_contains,
    reason = "expressions are as odd as the grammar allows"
)]

use super::{after, run};

async fn pending() -> u32 {
    std::future::pending().await
}

#[test]
fn one_branch_with_and_without_comma() {
    run(|| async {
        assert_eq!(timeloop::select! { value = after(1, 5) => value }, 5);
        assert_eq!(timeloop::select! { value = after(1, 5) => value, }, 5);
    });
}

#[test]
fn block_handlers_need_no_comma_and_may_have_one() {
    run(|| async {
        let value = timeloop::select! {
            _ = pending() => { 1 }
            _ = pending() => { 2 },
            _ = pending() => 3,
            value = after(2, 4) => { value }
        };
        assert_eq!(value, 4);
        let value = timeloop::select! {
            value = after(2, 4) => { value },
        };
        assert_eq!(value, 4);
    });
}

#[test]
fn a_block_handler_with_comma_and_a_precondition() {
    run(|| async {
        let value = timeloop::select! {
            _ = after(1, ()), if false => { 1 },
            _ = after(1, ()), if true => { 2 }
            _ = pending(), if true => 3,
        };
        assert_eq!(value, 2);
    });
}

#[test]
fn else_last_as_expression_and_as_block() {
    run(|| async {
        let expression = timeloop::select! { Some(()) = after(1, None) => 1, else => 2 };
        let with_comma = timeloop::select! { Some(()) = after(1, None) => 1, else => 2, };
        let block = timeloop::select! { Some(()) = after(1, None) => 1, else => { 2 } };
        let block_with_comma = timeloop::select! { Some(()) = after(1, None) => { 1 } else => { 2 }, };
        assert_eq!([expression, with_comma, block, block_with_comma], [2; 4]);
        let begins_like_a_block = timeloop::select! {
            Some(()) = after(1, None) => 1,
            else => match expression { 2 => 10, _ => 20 } + 1,
        };
        assert_eq!(begins_like_a_block, 11);
    });
}

#[test]
fn else_alone() {
    run(|| async {
        assert_eq!(timeloop::select! { else => 7 }, 7);
        assert_eq!(timeloop::select! { else => 7, }, 7);
        assert_eq!(timeloop::select! { biased; else => { 7 } }, 7);
    });
}

#[test]
fn biased_before_the_branches() {
    run(|| async {
        let value = timeloop::select! {
            biased;
            _ = after(1, ()) => 1,
            _ = after(1, ()) => 2,
        };
        assert_eq!(value, 1);
    });
}

#[test]
fn variables_may_be_called_biased() {
    run(|| async {
        let value = timeloop::select! { biased = after(1, 3) => biased };
        assert_eq!(value, 3);
    });
}

#[test]
fn commas_between_generic_arguments_of_the_future() {
    async fn pair<A: Default, B: Default>() -> (A, B) {
        Default::default()
    }
    trait Source<A, B> {
        fn get() -> impl Future<Output = u32>;
    }
    struct Here;
    impl Source<u8, u16> for Here {
        async fn get() -> u32 {
            5
        }
    }
    struct Pair<A, B>(A, B);
    impl<A: Default, B: Default> Pair<A, B> {
        async fn new() -> Self {
            Self(A::default(), B::default())
        }
    }
    run(|| async {
        let value = timeloop::select! {
            Pair(a, b) = <Pair<u8, u16>>::new() => u32::from(a) + u32::from(b),
        };
        assert_eq!(value, 0);
        let value = timeloop::select! {
            (a, b) = pair::<u8, u16>() => u32::from(a) + u32::from(b),
        };
        assert_eq!(value, 0);
        assert_eq!(timeloop::select! { value = <Here as Source<u8, u16>>::get() => value }, 5);
        assert_eq!(timeloop::select! { value = <Here as Source::<u8, u16>>::get(), if 1 < 2 => value }, 5);
    });
}

#[test]
fn closures_called_in_place() {
    run(|| async {
        let value = timeloop::select! {
            value = (|a: u32, b: u32| after(1, a + b))(1, 2) => value,
        };
        assert_eq!(value, 3);
        let value = timeloop::select! {
            value = (async |a: u32, b: u32| a + b)(1, 2) => value,
        };
        assert_eq!(value, 3);
    });
}

#[test]
fn blocks_matches_and_ifs_as_future() {
    run(|| async {
        let which = 2;
        let value = timeloop::select! {
            value = async { after(1, 1).await } => value,
        };
        assert_eq!(value, 1);
        let value = timeloop::select! {
            value = match which { 1 => after(1, 1), _ => after(1, 2) } => value,
        };
        assert_eq!(value, 2);
        let value = timeloop::select! {
            value = if which == 1 { after(1, 1) } else { after(1, 3) }, if which == 2 => value,
        };
        assert_eq!(value, 3);
        let value = timeloop::select! {
            value = { let more = which + 2; after(1, more) } => value,
        };
        assert_eq!(value, 4);
        let value = timeloop::select! {
            value = out_of_two_loops() => value,
        };
        assert_eq!(value, 5);
    });
}

async fn out_of_two_loops() -> u32 {
    'outer: loop {
        loop {
            timeloop::select! {
                value = after(2, 5) => break 'outer value,
            }
        }
    }
}

#[test]
fn references_and_operators_at_the_edge_of_the_future() {
    run(|| async {
        let mut future = Box::pin(after(2, 6));
        #[rustfmt::skip]
        let value = timeloop::select! { value =&mut future => value };
        assert_eq!(value, 6);
        let boxed: &mut (dyn Future<Output = u32> + Unpin) = &mut Box::pin(after(1, 7));
        let value = timeloop::select! { value = &mut *boxed, if !false => value };
        assert_eq!(value, 7);
    });
}

#[test]
fn preconditions_with_operators_closures_and_generics() {
    fn equal<A: Into<u64>, B: Into<u64>>(a: A, b: B) -> bool {
        a.into() == b.into()
    }
    run(|| async {
        let (a, b, c) = (1_u8, 2_u8, 3_u8);
        let value = timeloop::select! {
            _ = pending(), if a < b && c > b => 0,
            _ = pending(), if a <= b || a >= c => 0,
            _ = pending(), if equal::<u8, u16>(a, 1) => 0,
            _ = pending(), if [a, b].iter().any(|&x| x > 1) => 0,
            _ = pending(), if matches!((a, b), (1, 2) if c == 3) => 0,
            _ = pending(), if (a as u32) < 5 => 0,
            _ = pending(), if if a == 1 { true } else { false } => 0,
            _ = pending(), if { let d = a; d == 1 } => 0,
            value = after(1, 9), if a != b => value,
        };
        assert_eq!(value, 9);
    });
}

#[test]
fn a_precondition_may_be_anything_that_not_applies_to() {
    run(|| async {
        let enabled = &true;
        assert_eq!(timeloop::select! { _ = after(1, ()), if enabled => 1, else => 2 }, 1);
    });
}

#[test]
fn a_precondition_may_await() {
    run(|| async {
        let value = timeloop::select! {
            _ = after(1, ()), if after(3, false).await => 1,
            _ = after(1, ()), if after(3, true).await => 2,
        };
        assert_eq!(value, 2);
    });
}

#[test]
fn handlers_that_contain_commas() {
    run(|| async {
        let add = timeloop::select! { _ = after(1, ()) => |a: u32, b: u32| a + b, };
        assert_eq!(add(1, 2), 3);
        let add = timeloop::select! { _ = after(1, ()) => move |a: u32, b: u32| -> u32 { a + b }, else => panic!("no") };
        assert_eq!(add(1, 2), 3);
        let pair = timeloop::select! {
            _ = after(1, ()) => <(u8, u16) as Default>::default(),
            _ = pending() => Default::default(),
        };
        assert_eq!(pair, (0, 0));
        let list = timeloop::select! {
            _ = pending() => Vec::<(u8, u16)>::new(),
            value = after(1, (1, 2)) => vec![value, (3, 4)],
        };
        assert_eq!(list, [(1, 2), (3, 4)]);
        let map = timeloop::select! {
            _ = after(1, ()) => std::collections::BTreeMap::<u8, u16>::new(),
            _ = pending() => Default::default(),
        };
        assert!(map.is_empty());
    });
}

#[test]
fn handlers_that_begin_with_a_block_like_expression() {
    run(|| async {
        let value = timeloop::select! {
            value = after(1, 1) => match value { 1 => 10, _ => 20 } + 1,
            _ = pending() => if true { 1 } else { 2 },
        };
        assert_eq!(value, 11);
        let text = timeloop::select! {
            value = after(1, 1) => if value == 1 { "one" } else { "more" }.to_owned(),
        };
        assert_eq!(text, "one");
        let value = timeloop::select! {
            value = after(1, 1) => async { value + 1 }.await,
            value = pending() => loop { break value },
        };
        assert_eq!(value, 2);
    });
}

#[test]
fn handlers_that_assign_compare_and_shift() {
    run(|| async {
        let mut total = 0_u32;
        timeloop::select! {
            value = after(1, 3) => total += value << 2,
            _ = pending() => total = 0,
        }
        assert_eq!(total, 12);
        let less = timeloop::select! {
            value = after(1, 3) => value < 4 && value >= 3,
            _ = pending() => false,
        };
        assert!(less);
        let range = timeloop::select! {
            value = after(1, 3) => value..,
            _ = pending() => 0..,
        };
        assert_eq!(range.start, 3);
        let range = timeloop::select! {
            value = after(1, 3) => 1..=value,
            value = pending() => value..=value,
        };
        assert_eq!(range, 1..=3);
    });
}

#[test]
fn statement_expression_tail_and_arm() {
    async fn tail() -> u32 {
        timeloop::select! {
            value = after(1, 1) => value,
        }
    }
    async fn tail_in_parentheses() -> u32 {
        timeloop::select!(value = after(1, 1) => value)
    }
    run(|| async {
        let mut seen = 0;
        timeloop::select! {
            value = after(1, 1) => seen += value,
        }
        timeloop::select! {
            value = after(1, 1) => seen += value,
        };
        assert_eq!(seen, 2);
        let sum =
            timeloop::select!(value = after(1, 1) => value) + tail().await + tail_in_parentheses().await;
        assert_eq!(sum, 3);
        let value = match seen {
            2 => timeloop::select! { value = after(1, 4) => value },
            _ => 0,
        };
        assert_eq!(value, 4);
    });
}

#[test]
fn control_flow_of_the_enclosing_function() {
    async fn early(stop: bool) -> Result<u32, String> {
        for round in 0.. {
            timeloop::select! {
                _ = after(1, ()), if round == 0 => continue,
                value = after(1, "7") => {
                    if stop {
                        return Ok(0);
                    }
                    let number: u32 = value.parse().map_err(|_| "no number".to_owned())?;
                    timeloop::task::yield_now().await;
                    if number == 7 {
                        break;
                    }
                }
            }
        }
        let number = timeloop::select! {
            result = after(1, "x".parse::<u32>()) => result.map_err(|error| error.to_string())?,
        };
        Ok(number)
    }
    run(|| async {
        assert_eq!(early(true).await, Ok(0));
        assert_eq!(early(false).await, Err("invalid digit found in string".to_owned()));
    });
}

#[test]
fn the_future_expression_may_leave_the_function() {
    async fn leave(text: &str) -> Result<u32, std::num::ParseIntError> {
        let value = timeloop::select! {
            value = after(1, text.parse::<u32>()?) => value,
        };
        Ok(value)
    }
    run(|| async {
        assert_eq!(leave("5").await, Ok(5));
        assert!(leave("five").await.is_err());
    });
}

#[test]
fn nested_in_handler_future_and_precondition() {
    run(|| async {
        let value = timeloop::select! {
            inner = async {
                timeloop::select! {
                    value = after(1, 1) => value,
                    _ = pending() => 0,
                }
            } => timeloop::select! {
                value = after(1, 10) => value + inner,
                value = pending() => value,
            },
            value = pending(), if timeloop::select! { _ = after(1, ()) => true } => value,
        };
        assert_eq!(value, 11);
    });
}

#[test]
fn fragments_passed_on_by_another_macro() {
    macro_rules! one_of_two {
        ($first:pat = $future:expr, if $condition:expr => $block:block, $second:expr => $handler:expr) => {
            timeloop::select! {
                $first = $future, if $condition => $block
                _ = $second => $handler,
            }
        };
    }
    macro_rules! whole {
        ($($tokens:tt)*) => { timeloop::select! { $($tokens)* } };
    }
    run(|| async {
        let enabled = false;
        let value = one_of_two!(Some(_) | None = after(1, Some(1)), if enabled || enabled => { 1 }, after(1, 2) => 1 + 1);
        assert_eq!(value, 2);
        let value = one_of_two!(Some(..) | None = after(1, Some(1)), if !enabled => { 1 }, pending() => 2);
        assert_eq!(value, 1);
        let value = whole! { biased; Some(value) = after(1, Some(5)), if true => value, else => 0 };
        assert_eq!(value, 5);
    });
}

#[test]
fn sixty_four_branches() {
    macro_rules! eight {
        ($winner:expr; $($before:tt)*) => {
            timeloop::select! {
                $($before)*
                v = pick($winner, 0) => v, v = pick($winner, 1) => v, v = pick($winner, 2) => v, v = pick($winner, 3) => v,
                v = pick($winner, 4) => v, v = pick($winner, 5) => v, v = pick($winner, 6) => v, v = pick($winner, 7) => v,
                v = pick($winner, 8) => v, v = pick($winner, 9) => v, v = pick($winner, 10) => v, v = pick($winner, 11) => v,
                v = pick($winner, 12) => v, v = pick($winner, 13) => v, v = pick($winner, 14) => v, v = pick($winner, 15) => v,
                v = pick($winner, 16) => v, v = pick($winner, 17) => v, v = pick($winner, 18) => v, v = pick($winner, 19) => v,
                v = pick($winner, 20) => v, v = pick($winner, 21) => v, v = pick($winner, 22) => v, v = pick($winner, 23) => v,
                v = pick($winner, 24) => v, v = pick($winner, 25) => v, v = pick($winner, 26) => v, v = pick($winner, 27) => v,
                v = pick($winner, 28) => v, v = pick($winner, 29) => v, v = pick($winner, 30) => v, v = pick($winner, 31) => v,
                v = pick($winner, 32) => v, v = pick($winner, 33) => v, v = pick($winner, 34) => v, v = pick($winner, 35) => v,
                v = pick($winner, 36) => v, v = pick($winner, 37) => v, v = pick($winner, 38) => v, v = pick($winner, 39) => v,
                v = pick($winner, 40) => v, v = pick($winner, 41) => v, v = pick($winner, 42) => v, v = pick($winner, 43) => v,
                v = pick($winner, 44) => v, v = pick($winner, 45) => v, v = pick($winner, 46) => v, v = pick($winner, 47) => v,
                v = pick($winner, 48) => v, v = pick($winner, 49) => v, v = pick($winner, 50) => v, v = pick($winner, 51) => v,
                v = pick($winner, 52) => v, v = pick($winner, 53) => v, v = pick($winner, 54) => v, v = pick($winner, 55) => v,
                v = pick($winner, 56) => v, v = pick($winner, 57) => v, v = pick($winner, 58) => v, v = pick($winner, 59) => v,
                v = pick($winner, 60) => v, v = pick($winner, 61) => v, v = pick($winner, 62) => v, v = pick($winner, 63) => v,
            }
        };
    }
    async fn pick(winner: u32, index: u32) -> u32 {
        if winner != index { pending().await } else { after(2, index).await }
    }
    run(|| async {
        for winner in [0, 7, 8, 15, 16, 62, 63] {
            assert_eq!(eight!(winner;), winner);
            assert_eq!(eight!(winner; biased;), winner);
        }
    });
}

#[test]
fn branches_of_different_types() {
    run(|| async {
        let text = timeloop::select! {
            number = pending() => number.to_string(),
            text = after(2, "text") => text.to_owned(),
            list = std::future::pending::<Vec<u8>>() => format!("{list:?}"),
        };
        assert_eq!(text, "text");
    });
}
