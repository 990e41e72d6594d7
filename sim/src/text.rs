//! Formats times, numbers, places, tasks, lists and plurals for all texts, and wraps lines.

use std::borrow::Cow;
use std::fmt;

use crate::Site;

/// The width to which lines are wrapped.
pub(crate) const WIDTH: usize = 110;

/// Formats a virtual time: `0 s`, `1.5 s`, `20 ms`, `3 µs`, `17 ns`; from one hour on `2 h 30 min`, `365 d 1 s`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Nanos(pub u64);

impl Nanos {
    const SECOND: u64 = 1_000_000_000;
    const HOUR: u64 = 3_600 * Self::SECOND;
}

impl fmt::Display for Nanos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 >= Self::HOUR {
            let days = self.0 / (24 * Self::HOUR);
            let parts =
                [(days, "d"), (self.0 / Self::HOUR % 24, "h"), (self.0 / (60 * Self::SECOND) % 60, "min")];
            let mut gap = "";
            for (count, name) in parts.into_iter().filter(|(count, _)| *count > 0) {
                write!(f, "{gap}{} {name}", grouped(count))?;
                gap = " ";
            }
            let rest = self.0 % (60 * Self::SECOND);
            return if rest == 0 { Ok(()) } else { write!(f, "{gap}{}", Self(rest)) };
        }
        let (unit, name) = match self.0 {
            0 => return f.write_str("0 s"),
            1..1_000 => (1, "ns"),
            1_000..1_000_000 => (1_000, "µs"),
            1_000_000..1_000_000_000 => (1_000_000, "ms"),
            _ => (Self::SECOND, "s"),
        };
        write!(f, "{}", grouped(self.0 / unit))?;
        let rest = format!("{:09}", u128::from(self.0 % unit) * 1_000_000_000 / u128::from(unit));
        let rest = rest.trim_end_matches('0');
        if rest.is_empty() { write!(f, " {name}") } else { write!(f, ".{rest} {name}") }
    }
}

/// Formats a number with separators between thousands: `1,000`.
#[must_use]
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Formats a count from 0 as an ordinal from 1: `Nth(0)` is `1st`.
pub(crate) struct Nth(pub(crate) u32);

impl fmt::Display for Nth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = u64::from(self.0) + 1;
        let ending = match (number % 10, number % 100) {
            (1, tens) if tens != 11 => "st",
            (2, tens) if tens != 12 => "nd",
            (3, tens) if tens != 13 => "rd",
            _ => "th",
        };
        write!(f, "{number}{ending}")
    }
}

/// Formats a number and a noun whose plural ends in `s`: `1 step`, `2,000 steps`.
pub(crate) fn counted(number: u64, what: &str) -> String {
    format!("{} {what}{}", grouped(number), if number == 1 { "" } else { "s" })
}

/// Formats how often something happens: `once`, `2,000 times`.
pub(crate) fn times(count: u64) -> String {
    if count == 1 { "once".to_owned() } else { format!("{} times", grouped(count)) }
}

/// Formats a number and a noun, with a verb: `1 byte is …`, `2 bytes are …`.
pub(crate) fn counted_with(number: u64, what: &str, [one, several]: [&str; 2]) -> String {
    format!("{} {}", counted(number, what), if number == 1 { one } else { several })
}

/// Joins clauses: `a`, `a, and b`, `a, b, and c`.
pub(crate) fn listed(parts: &[String]) -> String {
    match parts {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{}, and {last}", first.join(", ")),
    }
}

/// Formats a place without its column.
pub(crate) fn line(site: &Site) -> String {
    format!("{}:{}", site.file, site.line)
}

/// Formats a place after a participle: `, opened at bank.rs:57:3`. Empty if the place is not known.
pub(crate) fn done_at(done: &str, site: Option<&Site>) -> String {
    site.map_or_else(String::new, |site| format!(", {done} at {site}"))
}

/// Escapes the control characters of a text that stands within a line, such as the name of a task: it can't begin a line of its
/// own, and does not control the terminal.
pub(crate) fn escaped(text: &str) -> Cow<'_, str> {
    // Also the separators of lines, and the marks that change the direction of text.
    let is_control = |character: char| {
        character.is_control() || matches!(character, '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
    };
    if !text.contains(is_control) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::new();
    for character in text.chars() {
        if is_control(character) {
            escaped.extend(character.escape_default());
        } else {
            escaped.push(character);
        }
    }
    Cow::Owned(escaped)
}

/// Appends `sentence` to `text`, broken at spaces into lines of at most [`WIDTH`]. `first` starts the first line, `rest` the
/// others. A sentence has no line breaks: those of names in it are escaped.
pub(crate) fn wrap(text: &mut String, first: &str, rest: &str, sentence: &str) {
    let sentence = escaped(sentence);
    let mut line = first.to_owned();
    let mut empty = true;
    let mut words = sentence.split(' ').peekable();
    while let Some(word) = words.next() {
        // A number and its unit stay together.
        let unit = words.peek().filter(|next| is_unit(next)).map_or(0, |unit| 1 + unit.chars().count());
        if !empty && !is_unit(word) && line.chars().count() + 1 + word.chars().count() + unit > WIDTH {
            text.push_str(&line);
            text.push('\n');
            line = rest.to_owned();
            empty = true;
        }
        if !empty {
            line.push(' ');
        }
        line.push_str(word);
        empty = false;
    }
    text.push_str(line.trim_end());
    text.push('\n');
}

/// Returns whether a word is a unit of time, perhaps before punctuation.
fn is_unit(word: &str) -> bool {
    matches!(word.trim_end_matches([',', '.', ':', ';', ')']), "s" | "ms" | "µs" | "us" | "ns")
}

/// Appends rows of a label and a clause to `text`, with the clauses in a column. Rows without labels are indented only.
pub(crate) fn wrap_rows(text: &mut String, rows: &[(String, String)]) {
    let width = rows.iter().map(|(label, _)| label.chars().count()).max().unwrap_or(0);
    let indent = if width == 0 { "    ".to_owned() } else { " ".repeat(2 + width + 2) };
    for (label, clause) in rows {
        let first = if width == 0 { "  ".to_owned() } else { format!("  {label:<width$}  ") };
        wrap(text, &first, &indent, clause);
    }
}

/// Shortens a text at the front: the end of a path is its most useful part.
pub(crate) fn shorten_front(text: &str, width: usize) -> String {
    let count = text.chars().count();
    if count <= width {
        return text.to_owned();
    }
    let kept: String = text.chars().skip(count + 1 - width).collect();
    format!("…{kept}")
}

#[cfg(test)]
mod tests {
    use super::{Nanos, Nth, grouped, shorten_front, wrap};

    #[test]
    fn numbers_have_separators() {
        let grouped: Vec<_> = [0, 7, 999, 1_000, 12_345, 1_234_567].map(grouped).into();
        assert_eq!(grouped, ["0", "7", "999", "1,000", "12,345", "1,234,567"]);
    }

    #[test]
    fn times_have_units_that_fit() {
        const S: u64 = Nanos::SECOND;
        let times = [
            (0, "0 s"),
            (17, "17 ns"),
            (3_000, "3 µs"),
            (3_500_000, "3.5 ms"),
            (S + 1, "1.000000001 s"),
            (90 * S, "90 s"),
            (3_599 * S, "3,599 s"),
            (3_600 * S, "1 h"),
            (9_000 * S + S / 2, "2 h 30 min 500 ms"),
            (365 * 86_400 * S + 1, "365 d 1 ns"),
            (100 * 365 * 86_400 * S, "36,500 d"),
        ];
        for (ns, text) in times {
            assert_eq!(Nanos(ns).to_string(), text);
        }
    }

    #[test]
    fn ordinals() {
        let words: Vec<_> =
            [0, 1, 2, 3, 9, 10, 11, 12, 20, 21, 110].map(|count| Nth(count).to_string()).into();
        assert_eq!(
            words,
            ["1st", "2nd", "3rd", "4th", "10th", "11th", "12th", "13th", "21st", "22nd", "111th"]
        );
    }

    #[test]
    fn long_sentences_are_wrapped_but_long_words_are_not() {
        let mut text = String::new();
        wrap(&mut text, "- ", "  ", &format!("{} {} end", "a".repeat(100), "b".repeat(120)));
        assert_eq!(text, format!("- {}\n  {}\n  end\n", "a".repeat(100), "b".repeat(120)));
    }

    #[test]
    fn a_long_path_is_shortened_at_the_front() {
        assert_eq!(shorten_front("src/bank.rs:57", 20), "src/bank.rs:57");
        assert_eq!(shorten_front("src/bank.rs:57", 11), "…bank.rs:57");
    }
}
