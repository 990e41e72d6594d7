//! The attributes.

use timeloop::runtime::{Handle, RuntimeFlavor};

struct Counter(u32);

impl Counter {
    #[timeloop::main(flavor = "current_thread")]
    async fn add(&mut self, (first, second): (u32, u32)) -> Result<u32, String> {
        timeloop::task::yield_now().await;
        self.0 += first + second;
        if self.0 > 100 { Err("too many".to_owned()) } else { Ok(self.0) }
    }
}

#[timeloop::main]
async fn length<T>(text: T) -> usize
where
    T: AsRef<str>,
{
    text.as_ref().len()
}

#[test]
fn e00_main_takes_parameters_and_self() {
    let mut counter = Counter(1);
    assert_eq!(counter.add((2, 3)), Ok(6));
    assert_eq!(counter.add((100, 3)), Err("too many".to_owned()));
    assert_eq!(length("text"), 4);
}

#[timeloop::main]
#[test]
async fn e00_main_and_test_are_one_function() {
    timeloop::spawn(async {}).await.unwrap();
}

#[timeloop::test(runs = 2, name = "named")]
async fn e00_a_test_names_its_runtime() {
    let handle = Handle::current();
    assert_eq!(handle.name(), Some("named"));
    assert_eq!(handle.runtime_flavor(), RuntimeFlavor::CurrentThread);
}

#[timeloop::test(runs = 2, flavor = "multi_thread", worker_threads = 3, start_paused = true)]
async fn e17_a_test_has_the_flavor_of_its_attribute() {
    let handle = Handle::current();
    assert_eq!(handle.runtime_flavor(), RuntimeFlavor::MultiThread);
    assert_eq!(handle.metrics().num_workers(), 3);
    assert_eq!(timeloop::task::block_in_place(|| 42), 42);
}

#[timeloop::test(runs = 2, flavor = "local")]
async fn e00_a_local_test_spawns_local_tasks() {
    assert_eq!(timeloop::task::spawn_local(async { 42 }).await.unwrap(), 42);
}

#[test]
fn e18_a_select_is_small() {
    use std::future::{Ready, ready};

    let one = async {
        let ready: Ready<i32> = ready(0);
        timeloop::select! { _ = ready => {} }
    };
    let three = async {
        let a: Ready<i32> = ready(0);
        let b: Ready<i32> = ready(0);
        let c: Ready<i32> = ready(0);
        timeloop::select! { _ = a => {}, _ = b => {}, _ = c => {} }
    };
    assert_eq!(size_of_val(&one), 32, "as tokio's");
    // tokio's takes 48 bytes, with a single pointer to all futures.
    assert_eq!(size_of_val(&three), 64);
}
