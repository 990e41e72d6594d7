//! The macro `task_local!`.
//!
//! # Invariants
//! A key's cell is private to the key, so only [`LocalKey`](crate::task::LocalKey) sets its value.

/// Declares keys of values that belong to a task instead of a thread. The keys are statics of type
/// [`LocalKey`](crate::task::LocalKey).
///
/// ```
/// timeloop::task_local! {
///     /// The user that sent the request.
///     pub static USER: String;
///     static DEPTH: u32
/// }
///
/// # timeloop::run(0, || async {
/// let greeting = USER.scope("ada".to_owned(), async {
///     timeloop::task::yield_now().await;
///     USER.with(|name| format!("hello, {name}"))
/// });
/// assert_eq!(greeting.await, "hello, ada");
/// assert!(DEPTH.try_with(|_| ()).is_err());
/// # }).unwrap();
/// ```
///
/// A key has no initial value:
///
/// ```compile_fail
/// timeloop::task_local! { static DEPTH: u32 = 0; }
/// ```
#[macro_export]
macro_rules! task_local {
    () => {};
    ($(#[$attribute:meta])* $visibility:vis static $name:ident: $type:ty $(; $($rest:tt)*)?) => {
        $(#[$attribute])*
        $visibility static $name: $crate::task::LocalKey<$type> = {
            ::std::thread_local! {
                static CELL: ::core::cell::RefCell<::core::option::Option<$type>> =
                    const { ::core::cell::RefCell::new(::core::option::Option::None) };
            }
            $crate::task::LocalKey::__new(CELL)
        };
        $($crate::task_local! { $($rest)* })?
    };
}
