//! Expands `#[timeloop::test]` and `#[timeloop::main]`.
//!
//! # Invariants
//! The user's `async fn` is kept unchanged, inside a function of the same name.

use proc_macro::{Span, TokenStream, TokenTree};

use crate::arguments::{self, Accepted, Arguments, Kind};
use crate::function::{self, Accepts, Function};
use crate::template::{Fill, fill};
use crate::tokens::Fault;

const TEST: &str = "#[timeloop::test]";
const TEST_ARGUMENTS: &Accepted = &[
    ("runs", Kind::Setting),
    ("seed", Kind::Setting),
    ("strategy", Kind::Setting),
    ("stalls", Kind::Duration),
    ("varied_io", Kind::Setting),
    ("jobs", Kind::Setting),
    ("max_steps", Kind::Setting),
    ("max_polls_per_instant", Kind::Setting),
    ("max_virtual_time", Kind::Duration),
    ("stuck_after", Kind::Duration),
    ("max_tasks", Kind::Setting),
    ("epoch", Kind::Duration),
    ("crate", Kind::Root),
    ("flavor", Kind::Flavor),
    ("worker_threads", Kind::Setting),
    ("start_paused", Kind::Setting),
    ("name", Kind::Name),
];

const MAIN: &str = "#[timeloop::main]";
const MAIN_ARGUMENTS: &Accepted = &[
    ("seed", Kind::Setting),
    ("crate", Kind::Root),
    ("flavor", Kind::Ignored),
    ("worker_threads", Kind::Ignored),
    ("start_paused", Kind::Ignored),
    ("name", Kind::Ignored),
];

pub(crate) fn expand_test(arguments: &[TokenTree], item: &[TokenTree]) -> Result<TokenStream, Fault> {
    let function = function::read(item, TEST, Accepts::NoParameters)?;
    let arguments = arguments::read(arguments, TEST, TEST_ARGUMENTS)?;
    // Located at the return type, where the compiler reports that it is not a test result.
    let check = fill(
        Span::mixed_site().located_at(function.output_span()),
        ".check($name)",
        &[("name", TokenTree::from(function.name.clone()).into())],
    );
    // The default of tokio's `#[test]`.
    let flavor = arguments.flavor.unwrap_or(".flavor($root::runtime::RuntimeFlavor::CurrentThread)");
    let flavor = fill(Span::mixed_site(), flavor, &[("root", arguments.root.clone().into())]);
    // An expected failure is not stored as a regression.
    let without_regressions =
        if function.has_attribute("should_panic") { ".without_regressions()" } else { "" };
    let explore = fill(
        Span::mixed_site(),
        "$root::__private::configured(
            ::core::concat!(::core::module_path!(), \"::\", $title),
            ::core::concat!(::core::module_path!(), \"::\", $raw_title),
            $features,
            |__explorer| { __explorer $flavor $settings $without_regressions },
        ) $check;",
        &[
            ("root", arguments.root.clone().into()),
            ("title", Fill::Text(format!("{:?}", function.plain_name()))),
            ("raw_title", Fill::Text(format!("{:?}", function.name.to_string()))),
            ("features", Fill::Text(format!("{:?}", enabled_features()))),
            ("flavor", flavor.into()),
            ("settings", arguments.builder_calls().into()),
            ("without_regressions", Fill::Text(without_regressions.into())),
            ("check", check.into()),
        ],
    );
    let mut out = fill(Span::mixed_site(), "#[::core::prelude::v1::test]", &[]);
    out.extend(wrap(&function, TokenStream::new(), explore));
    Ok(out)
}

pub(crate) fn expand_main(arguments: &[TokenTree], item: &[TokenTree]) -> Result<TokenStream, Fault> {
    let function = function::read(item, MAIN, Accepts::Everything)?;
    let Arguments { root, settings, .. } = arguments::read(arguments, MAIN, MAIN_ARGUMENTS)?;
    let seed = settings.into_iter().find(|(name, _)| name == "seed");
    let ends = if function.plain_name() == "main" { "exit" } else { "panic" };
    let holes = |future: Fill, run: &str| {
        [
            ("root", Fill::from(root.clone())),
            ("run", Fill::Text(run.into())),
            ("seed", seed.clone().map_or_else(|| Fill::Text("0".into()), |(_, value)| value.into())),
            ("future", future),
            ("ends", Fill::Text(ends.into())),
        ]
    };
    let text = "match $root::$run($seed, $future) {
        ::core::result::Result::Ok(value) => value,
        ::core::result::Result::Err(failure) => $root::__private::$ends(&failure),
    }";
    if function.has_parameters() {
        // The function can't be called again, so its body is the future of the only run.
        let body = fill(Span::mixed_site(), "async move $body", &[("body", function.body.clone().into())]);
        let run = fill(Span::mixed_site(), text, &holes(body.into(), "__private::run_once"));
        return Ok(fill(
            Span::mixed_site(),
            "$attributes $visibility $signature { $run }",
            &[
                ("attributes", function.attributes.as_slice().into()),
                ("visibility", function.visibility.as_slice().into()),
                ("signature", function.signature().into()),
                ("run", run.into()),
            ],
        ));
    }
    let run = fill(Span::mixed_site(), text, &holes(TokenTree::from(function.name.clone()).into(), "run"));
    let mut output = TokenStream::new();
    if !function.output.is_empty() {
        output = fill(Span::mixed_site(), "-> $output", &[("output", function.output.as_slice().into())]);
    }
    Ok(wrap(&function, output, run))
}

/// Returns the features that the crate is compiled with, separated by commas: cargo passes them to the compiler, in which
/// macros run.
fn enabled_features() -> String {
    let features = std::env::args().filter_map(|argument| {
        let feature = argument.strip_prefix("feature=\"")?.strip_suffix('"')?;
        Some(feature.to_owned())
    });
    features.collect::<Vec<_>>().join(",")
}

/// Returns a synchronous function with the name, attributes and visibility of the async one. It contains the async one and
/// runs `body`.
fn wrap(function: &Function, output: TokenStream, body: TokenStream) -> TokenStream {
    let parameters = TokenTree::from(function.parameters.clone());
    fill(
        Span::mixed_site(),
        "$attributes $visibility $fn $name $parameters $output { $item $body }",
        &[
            ("attributes", function.attributes.as_slice().into()),
            ("visibility", function.visibility.as_slice().into()),
            ("fn", function.fn_token.clone().into()),
            ("name", TokenTree::from(function.name.clone()).into()),
            ("parameters", parameters.into()),
            ("output", output.into()),
            ("item", function.item.as_slice().into()),
            ("body", body.into()),
        ],
    )
}
