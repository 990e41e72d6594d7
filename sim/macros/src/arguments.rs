//! Reads the arguments of an attribute: `runs = 5000, max_virtual_time = "1h"`.
//!
//! # Invariants
//! Every argument returned is one that the attribute accepts, and is given once. The builder that receives a value checks
//! it, except for durations in quotes, which are parsed here.

use proc_macro::{Span, TokenStream, TokenTree};

use crate::duration::{ACCEPTED, parse_nanos};
use crate::manifest;
use crate::template::{Fill, fill};
use crate::tokens::{Fault, expression_end, is_pair, is_punct};

/// How an argument's value is used.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Kind {
    /// An expression, passed to the builder's method of that name.
    Setting,
    /// As `Setting`, but a string is parsed as a duration.
    Duration,
    /// The path of the crate `timeloop`.
    Root,
    /// A flavor of tokio's runtimes.
    Flavor,
    /// A name of tokio's runtimes.
    Name,
    /// An argument of tokio's attributes without effect here: time is always virtual, and there is one thread.
    Ignored,
}

/// The arguments that an attribute accepts.
pub(crate) type Accepted = [(&'static str, Kind)];

pub(crate) struct Arguments {
    /// The path of the crate `timeloop`.
    pub(crate) root: TokenStream,
    /// The name and value of each [`Kind::Setting`] and [`Kind::Duration`], in source order.
    pub(crate) settings: Vec<(String, TokenStream)>,
    /// The template of the builder's call that chooses the flavor.
    pub(crate) flavor: Option<&'static str>,
}

impl Arguments {
    /// Returns the calls of builder methods: `.runs(5000).seed(7)`.
    pub(crate) fn builder_calls(&self) -> TokenStream {
        let call = |(name, value): &(String, TokenStream)| {
            let holes = [("name", Fill::Text(name.clone())), ("value", value.clone().into())];
            fill(Span::mixed_site(), ".$name($value)", &holes)
        };
        self.settings.iter().map(call).collect()
    }
}

/// Reads the arguments; `attribute` is the attribute's name in messages: `#[timeloop::test]`.
pub(crate) fn read(tokens: &[TokenTree], attribute: &str, accepted: &Accepted) -> Result<Arguments, Fault> {
    let root = fill(Span::mixed_site(), &manifest::path_of_timeloop(), &[]);
    let mut arguments = Arguments { root, settings: Vec::new(), flavor: None };
    let mut seen = Vec::new();
    let mut index = 0;
    while index < tokens.len() {
        let TokenTree::Ident(ident) = &tokens[index] else {
            return Err(Fault::at(
                tokens,
                index,
                format!("this is not an argument of `{attribute}`; {}", list(accepted)),
            ));
        };
        let name = ident.to_string();
        let known = accepted.iter().find(|(known, _)| *known == name).map(|(_, kind)| *kind);
        // An argument of tokio's that its users must not be made to delete.
        let unstable = cfg!(feature = "shim") && name == "unhandled_panic";
        let Some(kind) = known.or(unstable.then_some(Kind::Ignored)) else {
            return Err(Fault::at(
                tokens,
                index,
                format!("`{attribute}` has no argument `{name}`; {}", list(accepted)),
            ));
        };
        if seen.contains(&name) {
            return Err(Fault::at(tokens, index, format!("`{name}` is given twice")));
        }
        let end = if is_punct(tokens.get(index + 1), '=') && !is_pair(tokens, index + 1, ['=', '=']) {
            expression_end(tokens, index + 2)
        } else {
            index + 2
        };
        if end <= index + 2 {
            return Err(Fault::at(tokens, index, format!("`{name}` takes a value: `{name} = …`")));
        }
        let semicolon = (index..end).find(|&at| is_punct(tokens.get(at), ';'));
        let no_comma = end < tokens.len() && !is_punct(tokens.get(end), ',');
        if let Some(wrong) = semicolon.or(no_comma.then_some(end)) {
            let message = format!("arguments of `{attribute}` are separated by commas");
            return Err(Fault::at(tokens, wrong, message));
        }
        let value = &tokens[index + 2..end];
        match kind {
            Kind::Setting => arguments.settings.push((name.clone(), value.iter().cloned().collect())),
            Kind::Duration => arguments.settings.push((name.clone(), read_duration(value, &name)?)),
            Kind::Root => arguments.root = timeloop_in(read_path(value)?),
            Kind::Flavor => arguments.flavor = Some(read_flavor(value)?),
            Kind::Name => arguments.settings.push(("runtime_name".into(), value.iter().cloned().collect())),
            Kind::Ignored => {}
        }
        seen.push(name);
        index = end + 1;
    }
    Ok(arguments)
}

fn list(accepted: &Accepted) -> String {
    let of_kind = |ignored: bool| {
        let names = accepted.iter().filter(|(_, kind)| (*kind == Kind::Ignored) == ignored);
        names.map(|(name, _)| format!("`{name}`")).collect::<Vec<_>>().join(", ")
    };
    match of_kind(true) {
        ignored if ignored.is_empty() => format!("accepted are {}", of_kind(false)),
        ignored => format!("accepted are {} (and tokio's {ignored}, without effect)", of_kind(false)),
    }
}

/// Returns the text of a string literal without escapes.
fn plain_string(value: &[TokenTree]) -> Option<String> {
    let [TokenTree::Literal(literal)] = value else { return None };
    let text = literal.to_string();
    let inner = text.strip_prefix('"')?.strip_suffix('"')?;
    (!inner.contains('\\')).then(|| inner.to_owned())
}

/// Reads `flavor = "multi_thread"`. Returns the template of a call of the builder.
fn read_flavor(value: &[TokenTree]) -> Result<&'static str, Fault> {
    match plain_string(value).as_deref() {
        Some("current_thread") => Ok(".flavor($root::runtime::RuntimeFlavor::CurrentThread)"),
        Some("multi_thread") => Ok(".flavor($root::runtime::RuntimeFlavor::MultiThread)"),
        Some("local") => Ok(".local()"),
        _ => Err(Fault::at(value, 0, "`flavor` takes \"current_thread\", \"multi_thread\" or \"local\"")),
    }
}

fn read_duration(value: &[TokenTree], name: &str) -> Result<TokenStream, Fault> {
    if let Some(text) = plain_string(value) {
        let nanos = parse_nanos(&text).map_err(|message| Fault::at(value, 0, message))?;
        let holes = [("nanos", Fill::Text(nanos.to_string()))];
        return Ok(fill(Span::mixed_site(), "::core::time::Duration::from_nanos($nanos)", &holes));
    }
    if let [TokenTree::Literal(literal)] = value {
        let message = format!(
            "`{name}` takes a duration, and {literal} is not one; accepted is {ACCEPTED}, or an expression of type `Duration`"
        );
        return Err(Fault::at(value, 0, message));
    }
    Ok(value.iter().cloned().collect())
}

/// Returns the path of timeloop, from the path that `crate` gives, which may be that of the crate `tokio`.
fn timeloop_in(path: TokenStream) -> TokenStream {
    if !manifest::is_in_tokio() {
        return path;
    }
    let holes = [("path", path.into()), ("name", Fill::Text(manifest::IN_TOKIO.into()))];
    fill(Span::mixed_site(), "$path::$name", &holes)
}

/// Reads the value of `crate = some::path`, which may be in quotes as in tokio.
fn read_path(value: &[TokenTree]) -> Result<TokenStream, Fault> {
    match value {
        [TokenTree::Literal(literal)] => {
            let path = plain_string(value).and_then(|text| text.parse::<TokenStream>().ok());
            let path = path.filter(|path| !path.is_empty());
            let path = path
                .ok_or_else(|| Fault::at(value, 0, "`crate` takes a path, such as `crate = my::timeloop`"))?;
            Ok(path
                .into_iter()
                .map(|mut token| {
                    token.set_span(literal.span());
                    token
                })
                .collect())
        }
        _ => Ok(value.iter().cloned().collect()),
    }
}
