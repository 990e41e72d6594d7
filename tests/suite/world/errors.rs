//! Invalid operations on nodes, and their errors.

use std::future::pending;
use std::rc::Rc;

use timeloop::world::{Node, NodeLocal, World, crash_here, shutdown_requested};
use timeloop::{Explorer, FailureKind, Limits, StrategySpec, run_from};

use super::bare;
use crate::support::panic_text;

fn in_a_run(f: impl Fn()) {
    timeloop::run(0, || async { f() }).unwrap();
}

#[test]
fn names_and_addresses_are_unique() {
    in_a_run(|| {
        let world = World::current();
        world.node("db-1").address([10, 1, 0, 1]).build();
        let text = |name: &str| panic_text(|| drop(world.node(name).build()));
        assert_eq!(text("db-1"), "a node named `db-1` already exists; choose another name");
        assert_eq!(text("test"), "a node named `test` already exists; choose another name");
        assert_eq!(
            text("db 1"),
            "`db 1` can't be the name of a node; accepted are 1 to 253 letters, digits, `-`, `_` and `.`"
        );
        let text = |address: [u8; 4]| panic_text(|| drop(world.node("db-2").address(address).build()));
        assert_eq!(
            text([10, 1, 0, 1]),
            "10.1.0.1 is already the address of node `db-1`; give each node its own address"
        );
        assert_eq!(
            text([127, 0, 0, 1]),
            "127.0.0.1 can't be the address of a node: it is a loopback address, which every node has"
        );
        assert_eq!(
            text([10, 0, 0, 1]),
            "10.0.0.1 is already the address of node `test`; give each node its own address"
        );
        assert_eq!(world.nodes().len(), 1, "a rejected node is not declared");
        assert_eq!(world.get("db-2"), None);
    });
}

#[test]
fn the_node_of_the_test_cannot_be_changed() {
    in_a_run(|| {
        let node = Node::current();
        let text = |verb: &str| {
            format!("can't {verb} the test's own node; {verb} a node declared with `World::node`")
        };
        assert_eq!(panic_text(|| node.crash()), text("crash"));
        assert_eq!(panic_text(|| node.restart()), text("restart"));
        assert_eq!(panic_text(|| node.pause()), text("pause"));
        node.resume();
        assert!(node.is_up());
        assert_eq!(Some(node), World::current().get("test"));
    });
    let refused =
        |text: &str| format!("can't {text} the test's own node; {text} a node declared with `World::node`");
    let failure = timeloop::run(0, || async { crash_here().await }).unwrap_err();
    assert_eq!(failure.message(), refused("crash"));
    let failure = timeloop::run(0, || async { Node::current().shutdown().await }).unwrap_err();
    assert_eq!(failure.message(), refused("shut down"));
}

#[test]
fn a_node_that_is_down_cannot_spawn_or_pause() {
    in_a_run(|| {
        let node = bare("db-1");
        node.crash();
        assert_eq!(
            panic_text(|| drop(node.spawn(async {}))),
            "can't spawn a task on node `db-1`, which is down; restart it first"
        );
        assert_eq!(panic_text(|| node.pause()), "can't pause node `db-1`, which is down; restart it first");
        node.resume();
        assert!(!node.is_up() && !node.is_paused());
    });
}

/// The location of a panic is the caller's.
#[test]
fn panics_point_to_the_caller() {
    let failure = timeloop::run(0, || async {
        let node = bare("db-1");
        node.crash();
        node.pause();
    })
    .unwrap_err();
    assert_eq!(failure.kind, FailureKind::Panic);
    assert_eq!(failure.site.unwrap().file, file!());
}

#[test]
fn there_is_no_world_outside_of_a_run() {
    let outside = |what: &str| {
        format!(
            "can't {what} outside of a run; do so inside `#[timeloop::test]`, `timeloop::run`, `timeloop::explore` \
             or `Runtime::block_on`"
        )
    };
    static VALUE: NodeLocal<u32> = NodeLocal::new(|| 0);
    assert_eq!(panic_text(|| drop(World::current())), outside("get the `World`"));
    assert_eq!(panic_text(|| drop(Node::current())), outside("get the current node"));
    assert_eq!(panic_text(|| VALUE.with(|_| ())), outside("access a node-local value"));
    let text = panic_text(|| {
        let waits = std::pin::pin!(shutdown_requested());
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        let _ = waits.poll(&mut context);
    });
    assert_eq!(text, outside("wait for a shutdown"));
}

#[test]
fn nodes_of_a_finished_run_panic() {
    let (world, node) = timeloop::run(0, || async { (World::current(), bare("db-1")) }).unwrap();
    assert_eq!(
        (node.name(), format!("{node:?} {node} {world:?}")),
        ("db-1", "Node(\"db-1\") db-1 World { .. }".into())
    );
    let text = "node `db-1` belongs to a run that is over or to another thread; declare nodes in each run";
    assert_eq!(panic_text(|| node.crash()), text);
    timeloop::run(0, || async {
        let other = bare("db-1");
        assert_ne!(node, other);
        assert_eq!(panic_text(|| _ = node.is_up()), text);
        assert_eq!(
            panic_text(|| drop(world.nodes())),
            "this `World` belongs to a run that is over or to another thread; call `World::current()` in each run"
        );
    })
    .unwrap();
}

#[test]
fn the_number_of_nodes_is_limited() {
    let limits = Limits::default();
    let outcome = run_from(StrategySpec::Fifo.source(timeloop::Seed(0)), &limits, || async {
        let world = World::current();
        for number in 1..1 << 16 {
            world.node(format!("n{number}")).build();
        }
        panic_text(|| drop(world.node("one-more").build()))
    });
    assert_eq!(outcome.result.unwrap(), "too many nodes: a run can have at most 65536");
}

#[test]
fn a_missing_first_task_is_explained() {
    let limits = Limits { max_tasks: 3, ..Limits::default() };
    let outcome = run_from(StrategySpec::Fifo.source(timeloop::Seed(0)), &limits, || async {
        let world = World::current();
        world.node("one").start(pending::<()>);
        world.node("two").start(pending::<()>);
        panic_text(|| drop(world.node("three").start(pending::<()>)))
    });
    let text = outcome.result.unwrap();
    assert!(text.starts_with("too many tasks: the limit of 3 is reached"), "{text}");
}

/// Nodes live in a `Runtime` too, also between calls of `block_on`.
#[test]
fn a_runtime_has_a_world() {
    let runtime = crate::support::fifo();
    let node = runtime.block_on(async { bare("db-1") });
    let task = node.spawn(async { Node::current().name().to_owned() });
    assert_eq!(runtime.block_on(task).unwrap(), "db-1");
    node.crash();
    assert!(!node.is_up());
    node.restart();
    let task = node.spawn(pending::<()>());
    let shared = Rc::new(());
    let held = Rc::clone(&shared);
    drop(node.spawn(async move {
        let _held = held;
        pending::<()>().await;
    }));
    node.crash();
    assert_eq!(Rc::strong_count(&shared), 1);
    assert!(runtime.block_on(task).unwrap_err().is_cancelled());
}

#[test]
fn an_error_of_a_node_fails_the_test() {
    let exploration = Explorer::new("world::an_error").runs(3).without_regressions().run(|| async {
        let node = World::current().node("db-1").start(|| async { Err::<(), _>("no quorum") });
        node.until_down().await;
    });
    let found = exploration.found.expect("the exploration fails");
    assert_eq!(found.failure.kind, FailureKind::UnobservedPanic);
    assert_eq!(found.failure.message(), "node `db-1` returned an error: \"no quorum\"");
}
