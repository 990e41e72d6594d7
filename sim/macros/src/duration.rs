//! Parses the durations of an attribute: `"90s"`, `"1h 30m"`.
//!
//! # Invariants
//! An accepted duration is a whole number of nanoseconds below 2^64.

const UNITS: [(&str, u64); 7] = [
    ("ns", 1),
    ("us", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60 * 1_000_000_000),
    ("h", 3_600 * 1_000_000_000),
    ("d", 86_400 * 1_000_000_000),
];

pub(crate) const ACCEPTED: &str = "a whole number and a unit of ns, us, ms, s, m, h, d, or several such parts: \"500ms\", \"90s\", \"1h 30m\"";

/// Returns the number of nanoseconds. An error is a message that shows what is accepted.
pub(crate) fn parse_nanos(text: &str) -> Result<u64, String> {
    let wrong = |what: &str| Err(format!("`{text}` is not a duration: {what}; accepted is {ACCEPTED}"));
    let mut rest = text.trim();
    if rest.is_empty() {
        return wrong("it is empty");
    }
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let digits = rest.find(|char: char| !char.is_ascii_digit() && char != '_').unwrap_or(rest.len());
        let number: String = rest[..digits].chars().filter(|&char| char != '_').collect();
        rest = rest[digits..].trim_start();
        if number.is_empty() {
            return wrong("a number is missing");
        }
        let letters = rest.find(|char: char| !char.is_alphabetic()).unwrap_or(rest.len());
        let unit = &rest[..letters];
        rest = rest[letters..].trim_start();
        if unit.is_empty() {
            return wrong(if rest.starts_with('.') { "it has a decimal point" } else { "a unit is missing" });
        }
        let Some((_, nanos)) = UNITS.iter().find(|(name, _)| *name == unit) else {
            return wrong(&format!("`{unit}` is not a unit"));
        };
        let part = number.parse::<u64>().ok().and_then(|number| number.checked_mul(*nanos));
        match part.and_then(|part| total.checked_add(part)) {
            Some(sum) => total = sum,
            None => return wrong("it is longer than 584 years"),
        }
    }
    Ok(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_every_unit_and_sums() {
        assert_eq!(parse_nanos("7ns"), Ok(7));
        assert_eq!(parse_nanos("7us"), Ok(7_000));
        assert_eq!(parse_nanos("500ms"), Ok(500_000_000));
        assert_eq!(parse_nanos("10 s"), Ok(10_000_000_000));
        assert_eq!(parse_nanos("2m"), Ok(120_000_000_000));
        assert_eq!(parse_nanos("1h 30m"), parse_nanos("90m"));
        assert_eq!(parse_nanos("1h30m"), parse_nanos(" 5_400s "));
        assert_eq!(parse_nanos("1d"), parse_nanos("24h"));
        assert_eq!(parse_nanos("18446744073709551615ns"), Ok(u64::MAX));
    }

    #[test]
    fn errors_describe_the_mistake() {
        for (text, what) in [
            ("", "it is empty"),
            ("10", "a unit is missing"),
            ("s", "a number is missing"),
            ("10 weeks", "`weeks` is not a unit"),
            ("1.5s", "it has a decimal point"),
            ("-1s", "a number is missing"),
            ("585d 600000000h", "longer than 584 years"),
            ("99999999999999999999s", "longer than 584 years"),
        ] {
            let message = parse_nanos(text).unwrap_err();
            assert!(message.contains(what), "{text:?}: {message}");
            assert!(message.contains("ns, us, ms, s, m, h, d"), "{text:?}: {message}");
        }
    }
}
