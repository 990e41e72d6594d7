//! A layer for [`tracing-subscriber`](https://docs.rs/tracing-subscriber) that adds the events of the failing run to its
//! report.
//!
//! A test makes a thousand runs. The layer drops the events of all runs but those that are made to be shown
//! ([`is_replay`](crate::is_replay)). The report then lists the events of the failing run, each with the step, the virtual
//! time, the task and its node:
//!
//! ```text
//! Log
//!   step  time  task                     event
//!      2   0 s  `transfer` (root.2)      INFO bank: transfers amount=30
//!      3   0 s  `audit` on db-1 (root.1) DEBUG audit{id=7}: bank: reads both balances
//! ```
//!
//! Add the layer once per process. It stands beside other layers and does not affect them:
//!
//! ```
//! use timeloop::adapters::tracing::layer;
//! use tracing_subscriber::layer::SubscriberExt as _;
//! use tracing_subscriber::util::SubscriberInitExt as _;
//!
//! # fn is_used(explorer: timeloop::Explorer) {
//! // Fails if another test of the process has done so.
//! let _ = tracing_subscriber::registry().with(layer()).try_init();
//! # }
//! # let subscriber = tracing_subscriber::registry().with(layer());
//! # let _guard = tracing::subscriber::set_default(subscriber);
//!
//! let explorer = timeloop::Explorer::new("doc::tracing").jobs(1).silent().without_regressions();
//! let exploration = explorer.without_environment().run(|| async {
//!     tracing::info!(amount = 30, "transfers");
//!     panic!("the account is empty");
//! });
//! assert!(exploration.report().contains(": transfers amount=30\n"), "{}", exploration.report());
//! ```
//!
//! To select events, add a filter to the layer: `layer().with_filter(LevelFilter::DEBUG)`.
//!
//! In other runs the layer asks for no event. So if no other layer does, a disabled event costs some nanoseconds. With
//! `TIMELOOP_LOG=steps`, the events of a test that passes are printed too: those of its baseline run, or of the replayed run.
//! A report shows the last 50 events, and all of them with `TIMELOOP_LOG=steps`; a run keeps the last 10,000.

use std::fmt::{self, Write as _};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, Filter};
use tracing_subscriber::registry::LookupSpan;

use crate::engine::{Engine, context};

/// Creates the layer.
pub fn layer<S>() -> impl Layer<S>
where
    S: Subscriber + for<'lookup> LookupSpan<'lookup>,
{
    ReportLayer.with_filter(OnlyInReplays)
}

/// Enables events in runs that are made to be shown.
struct OnlyInReplays;

impl<S> Filter<S> for OnlyInReplays {
    fn enabled(&self, _metadata: &Metadata<'_>, _context: &Context<'_, S>) -> bool {
        crate::is_replay()
    }
}

/// Adds events to the record of the run.
struct ReportLayer;

impl<S> Layer<S> for ReportLayer
where
    S: Subscriber + for<'lookup> LookupSpan<'lookup>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, spans: Context<'_, S>) {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        if let Some(span) = spans.span(id) {
            span.extensions_mut().insert(fields);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, spans: Context<'_, S>) {
        if let Some(span) = spans.span(id)
            && let Some(fields) = span.extensions_mut().get_mut::<Fields>()
        {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, spans: Context<'_, S>) {
        let metadata = event.metadata();
        let mut text = format!("{} ", metadata.level());
        for span in spans.event_scope(event).into_iter().flat_map(|scope| scope.from_root()) {
            text.push_str(span.name());
            if let Some(fields) = span.extensions().get::<Fields>().filter(|fields| !fields.0.is_empty()) {
                let _ = write!(text, "{{{}}}", fields.0);
            }
            text.push_str(": ");
        }
        let mut fields = Fields::default();
        event.record(&mut fields);
        let _ = write!(text, "{}: {}", metadata.target(), fields.0);
        context::driving(|engine: &Engine| engine.log(text));
    }
}

/// The fields of an event or a span, as text: the message first, and then `name=value`.
#[derive(Default)]
struct Fields(String);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let text = match field.name() {
            "message" => {
                let rest = std::mem::take(&mut self.0);
                let gap = if rest.is_empty() { "" } else { " " };
                format!("{value:?}{gap}{rest}")
            }
            name => format!("{}{}{name}={value:?}", self.0, if self.0.is_empty() { "" } else { " " }),
        };
        self.0 = text;
    }
}
