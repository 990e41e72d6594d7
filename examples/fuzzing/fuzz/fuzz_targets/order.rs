//! For every product and every order of reports, the order ends at a desk that is looked at.
#![cfg_attr(not(test), no_main)]

use std::sync::Arc;

use arbitrary::{Arbitrary, Unstructured};
use orders::{Order, PRODUCTS, SERVICES};
use timeloop::spawn;

/// One of the products.
#[derive(Debug)]
struct Product(u32);

impl<'a> Arbitrary<'a> for Product {
    fn arbitrary(u: &mut Unstructured<'a>) -> arbitrary::Result<Self> {
        u.int_in_range(0..=PRODUCTS - 1).map(Product)
    }

    fn size_hint(_depth: usize) -> (usize, Option<usize>) {
        (2, Some(2))
    }
}

timeloop::fuzz_target!(
    // For measuring the effect of schedule coverage. Your target needs no `init`.
    init: timeloop::fuzzing::schedule_coverage(std::env::var_os("WITHOUT_SCHEDULE_COVERAGE").is_none()),
    async |product: Product| {
        let order = Arc::new(Order::new(product.0));
        let services: Vec<_> = (0..SERVICES)
            .map(|service| {
                let order = Arc::clone(&order);
                spawn(async move { order.report(service).await })
            })
            .collect();
        for service in services {
            service.await.unwrap();
        }
        assert!(order.is_seen_to(), "an order for product {} is forgotten", product.0);
    }
);
