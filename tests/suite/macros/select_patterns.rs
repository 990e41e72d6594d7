//! The patterns of `select!`: everything that `match` accepts. A value that does not match disables its branch.
//!
//! # Invariants
//! Each pattern is tested with a value that matches and, if it is refutable, with one that does not.

use super::{after, run};

const SEVEN: u32 = 7;

#[derive(Debug, Clone, PartialEq)]
struct Point {
    x: i32,
    y: i32,
}

#[derive(Debug, Clone, PartialEq)]
enum Shape {
    Empty,
    Dot(Point),
    Line { from: Point, to: Point },
}

/// Returns the output of a branch with this pattern for this value, or `None` if the pattern does not match.
macro_rules! taken {
    ($value:expr, $pattern:pat => $handler:expr) => {
        run(|| async {
            timeloop::select! {
                $pattern = after(2, $value) => Some($handler),
                else => None,
            }
        })
    };
}

#[test]
fn wildcard_and_names() {
    assert_eq!(taken!(1, _ => 2), Some(2));
    assert_eq!(taken!(1, value => value), Some(1));
    assert_eq!(taken!((1, "a".to_owned()), (number, text) => (text, number)), Some(("a".to_owned(), 1)));
    assert_eq!(taken!((), () => 2), Some(2));
}

#[test]
fn values_that_move() {
    let text = || "text".to_owned();
    assert_eq!(taken!(Some(text()), Some(text) => text), Some(text()));
    assert_eq!(taken!(None::<String>, Some(text) => text), None);
    assert_eq!(taken!(Box::new(text()), boxed => *boxed), Some(text()));
}

#[test]
fn mutable_names() {
    assert_eq!(taken!(1, mut value => { value += 1; value }), Some(2));
    assert_eq!(taken!(Some(vec![1]), Some(mut list) => { list.push(2); list }), Some(vec![1, 2]));
    assert_eq!(taken!((1, 2), (mut a, b) => { a += b; a }), Some(3));
}

#[test]
fn references_into_the_value() {
    assert_eq!(taken!(Some("text".to_owned()), Some(ref text) => text.len()), Some(4));
    assert_eq!(
        taken!(Some("text".to_owned()), Some(ref mut text) => { text.push('s'); text.len() }),
        Some(5)
    );
    assert_eq!(taken!("text".to_owned(), ref mut text => { text.clear(); text.len() }), Some(0));
    assert_eq!(taken!("text".to_owned(), ref text => text.len()), Some(4));
}

#[test]
fn values_behind_references() {
    static NUMBER: u32 = 3;
    static PAIR: (u32, u32) = (3, 4);
    assert_eq!(taken!(Some(&NUMBER), Some(&number) => number), Some(3));
    assert_eq!(taken!(&NUMBER, &number => number), Some(3));
    assert_eq!(taken!(&NUMBER, &3 => 1), Some(1));
    assert_eq!(taken!(&NUMBER, &4 => 1), None);
    assert_eq!(taken!(Some(&PAIR), Some((a, b)) => a + b), Some(7));
    assert_eq!(taken!(Some(&PAIR), Some(&(a, ref b)) => a + b), Some(7));
    assert_eq!(taken!(&SEVEN, &SEVEN => 1), Some(1));
}

#[test]
fn literals_ranges_and_constants() {
    assert_eq!(taken!(5, 5 => 1), Some(1));
    assert_eq!(taken!(5, 6 => 1), None);
    assert_eq!(taken!(-5, -5 => 1), Some(1));
    assert_eq!(taken!("text", "text" => 1), Some(1));
    assert_eq!(taken!("text", "next" => 1), None);
    assert_eq!(taken!(5, 1..=5 => 1), Some(1));
    assert_eq!(taken!(5, 1..5 => 1), None);
    assert_eq!(taken!(5, 5.. => 1), Some(1));
    assert_eq!(taken!(7, SEVEN => 1), Some(1));
    assert_eq!(taken!(8, SEVEN => 1), None);
    assert_eq!(taken!(u8::MAX, u8::MAX => 1), Some(1));
    assert_eq!(taken!(Some(7), Some(SEVEN) => 1), Some(1));
    assert_eq!(taken!(true, true => 1), Some(1));
    assert_eq!(taken!('b', 'a'..='c' => 1), Some(1));
}

#[test]
fn ranges_without_a_beginning() {
    let below = |number| {
        run(|| async {
            timeloop::select! {
                ..=4 = after(1, number) => true,
                ..8 = after(1, number + 1) => true,
                else => false,
            }
        })
    };
    assert_eq!([4, 6, 7].map(below), [true, true, false]);
}

#[test]
fn structs_and_enums() {
    let point = || Point { x: 1, y: 2 };
    assert_eq!(taken!(point(), Point { x, y } => x + y), Some(3));
    assert_eq!(taken!(point(), Point { x, .. } => x), Some(1));
    assert_eq!(taken!(point(), Point { x: 1, y: mut other } => { other += 1; other }), Some(3));
    assert_eq!(taken!(point(), Point { ref mut x, .. } => { *x += 1; *x }), Some(2));
    assert_eq!(taken!(point(), Point { x: 2, .. } => 1), None);
    assert_eq!(taken!(Shape::Empty, Shape::Empty => 1), Some(1));
    assert_eq!(taken!(Shape::Empty, Shape::Dot(_) => 1), None);
    assert_eq!(taken!(Shape::Dot(point()), Shape::Dot(Point { x, .. }) => x), Some(1));
    let line = || Shape::Line { from: point(), to: point() };
    assert_eq!(taken!(line(), Shape::Line { from, to: Point { y, .. } } => from.x + y), Some(3));
}

#[test]
fn alternatives() {
    assert_eq!(taken!(Ok::<u32, u32>(1), Ok(value) | Err(value) => value), Some(1));
    assert_eq!(taken!(Err::<u32, u32>(2), Ok(value) | Err(value) => value), Some(2));
    assert_eq!(taken!(3, 1 | 3 | 5 => 1), Some(1));
    assert_eq!(taken!(4, 1 | 3 | 5 => 1), None);
    assert_eq!(taken!(Some(4), Some(1 | 3) | None => 1), None);
    let (a, b) = ((Some(1), None), (None, Some(2)));
    for (pair, expected) in [(a, Some(1)), (b, Some(2)), ((None, None), None)] {
        assert_eq!(taken!(pair, (Some(value), _) | (_, Some(value)) => value), expected);
    }
}

#[test]
fn a_leading_bar() {
    #[rustfmt::skip]
    let value = run(|| async {
        timeloop::select! {
            | Ok(value) | Err(value) = after(1, Ok::<u32, u32>(1)) => value,
        }
    });
    assert_eq!(value, 1);
}

#[test]
fn bindings_with_subpatterns() {
    assert_eq!(taken!(Some(5), whole @ Some(1..=9) => whole), Some(Some(5)));
    assert_eq!(taken!(Some(15), whole @ Some(1..=9) => whole), None);
    assert_eq!(taken!(5, number @ (4 | 5) => number), Some(5));
}

#[test]
fn slices_and_arrays() {
    static LIST: [u32; 3] = [1, 2, 3];
    assert_eq!(taken!([1, 2, 3], [first, .., last] => first + last), Some(4));
    assert_eq!(taken!(&LIST[..], [first, rest @ ..] => first + rest[1]), Some(4));
    assert_eq!(taken!(&LIST[..], [_, _] => 1), None);
}

#[test]
fn paths_with_generic_arguments() {
    struct Pair<A, B>(A, B);
    enum Either<A, B> {
        Left(A),
        #[expect(dead_code, reason = "the pattern is tried on the other variant")]
        Right(B),
    }
    let value = run(|| async {
        timeloop::select! {
            Pair::<u8, u16>(a, b) = after(1, Pair(1, 2)) => u32::from(a) + u32::from(b),
        }
    });
    assert_eq!(value, 3);
    let value = run(|| async {
        timeloop::select! {
            Either::<u8, u16>::Right(_) = after(1, Either::Left(1)) => 1,
            Either::<u8, u16>::Left(left) = after(2, Either::Left(2)) => left,
        }
    });
    assert_eq!(value, 2);
}

#[test]
fn macros_as_patterns() {
    macro_rules! some {
        ($inner:pat) => {
            Some($inner)
        };
    }
    let value = run(|| async {
        timeloop::select! {
            some!(mut text) = after(1, Some("text".to_owned())) => { text.push('s'); text }
            else => String::new(),
        }
    });
    assert_eq!(value, "texts");
}

#[test]
#[expect(non_upper_case_globals, reason = "a constant that looks like a variable must not become one")]
fn constants_in_lower_case() {
    const five: u32 = 5;
    assert_eq!(taken!(5, five => 1), Some(1));
    assert_eq!(taken!(6, five => 1), None);
}
