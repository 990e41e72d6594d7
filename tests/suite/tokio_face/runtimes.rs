//! Runtimes, handles and builders.

use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::{Arc, OnceLock};

use timeloop::Explorer;
use timeloop::runtime::{
    Builder, Handle, LocalOptions, LocalRuntime, Runtime, RuntimeFlavor, is_rt_shutdown_err, worker_index,
};
use timeloop::spawn;
use timeloop::task::{self, spawn_local};

use super::{runtime, workers};
use crate::support::panic_text;

#[test]
fn e08_a_runtime_may_be_shared_and_sent() {
    fn assert_auto<T: Send + Sync + UnwindSafe + RefUnwindSafe>() {}

    assert_auto::<Runtime>();
    static SHARED: OnceLock<Runtime> = OnceLock::new();
    assert_eq!(SHARED.get_or_init(runtime).block_on(async { 42 }), 42);
    let shared = Arc::new(runtime());
    let task = shared.spawn(async { 43 });
    assert_eq!(Arc::clone(&shared).block_on(task).unwrap(), 43);
}

#[test]
#[expect(clippy::disallowed_methods, reason = "what happens on a real thread is what is tested")]
fn e08_a_runtime_on_another_thread_says_where_it_belongs() {
    let runtime = runtime();
    let text = std::thread::spawn(move || {
        let text = panic_text(|| runtime.block_on(async {}));
        drop(runtime);
        text
    });
    assert!(text.join().unwrap().contains("belongs to another thread"));
}

#[test]
fn e15_builders_refuse_zero_at_the_callers_line() {
    let refused: [fn(&mut Builder); 6] = [
        |builder| _ = builder.worker_threads(0),
        |builder| _ = builder.max_blocking_threads(0),
        |builder| _ = builder.event_interval(0),
        |builder| _ = builder.global_queue_interval(0),
        |builder| _ = builder.max_io_events_per_tick(0),
        |builder| _ = builder.name(" "),
    ];
    for refused in refused {
        assert!(std::panic::catch_unwind(|| refused(&mut Builder::new_multi_thread())).is_err());
    }
}

#[test]
fn e15_guards_are_dropped_in_order() {
    let (one, other) = (runtime(), runtime());
    let text = panic_text(|| {
        let outer = one.enter();
        let inner = other.enter();
        drop(outer);
        drop(inner);
    });
    assert!(text.contains("out of order"), "{text}");
    assert!(Handle::try_current().is_err());
    let outer = one.enter();
    let inner = one.enter();
    drop(inner);
    drop(outer);
}

#[test]
fn e17_flavor_and_workers_are_those_asked_for() {
    let explorer = |name: &str| {
        let name = format!("tokio_face::{name}");
        Explorer::new(name).without_environment().without_regressions().runs(2)
    };
    let seen = || {
        let handle = Handle::current();
        (handle.runtime_flavor(), handle.metrics().num_workers())
    };
    explorer("several").flavor(RuntimeFlavor::MultiThread).worker_threads(3).check(move || async move {
        assert_eq!(seen(), (RuntimeFlavor::MultiThread, 3));
    });
    explorer("one").flavor(RuntimeFlavor::CurrentThread).check(move || async move {
        assert_eq!(seen(), (RuntimeFlavor::CurrentThread, 1));
    });
    assert_eq!(workers().block_on(async move { seen() }), (RuntimeFlavor::MultiThread, 4));
    assert_eq!(runtime().block_on(async move { seen() }), (RuntimeFlavor::CurrentThread, 1));
}

#[test]
fn e17_tasks_run_on_a_worker() {
    assert_eq!(worker_index(), None);
    assert_eq!(runtime().block_on(async { worker_index() }), Some(0));
    let workers = workers();
    assert_eq!(workers.block_on(async { worker_index() }), None);
    assert_eq!(workers.block_on(async { spawn(async { worker_index() }).await.unwrap() }), Some(0));
    assert_eq!(workers.block_on(async { task::spawn_blocking(worker_index).await.unwrap() }), None);
}

#[test]
fn e00_a_local_runtime_spawns_local_tasks_everywhere() {
    let local = LocalRuntime::new().unwrap();
    let task = local.spawn_local(async { spawn_local(async { 42 }).await.unwrap() });
    assert_eq!(local.block_on(task).unwrap(), 42);
    let built = Builder::new_current_thread().enable_all().build_local(LocalOptions::default()).unwrap();
    assert_eq!(built.block_on(async { spawn_local(async { 43 }).await.unwrap() }), 43);
    let text = panic_text(|| drop(Builder::new_multi_thread().build_local(LocalOptions::default())));
    assert!(text.contains("multi_thread is not supported"), "{text}");
}

#[test]
fn e00_a_runtime_has_a_name() {
    let named = Builder::new_current_thread().name("my runtime").build().unwrap();
    assert_eq!(named.handle().name(), Some("my runtime"));
    assert_eq!(
        named.block_on(async { Handle::current().name().map(str::to_owned) }).as_deref(),
        Some("my runtime")
    );
    assert_eq!(runtime().handle().name(), None);
    assert!(!is_rt_shutdown_err(&std::io::Error::other("another error")));
}
