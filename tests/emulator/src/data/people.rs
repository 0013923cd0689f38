//! Customers, their addresses, orders with their lines, and coupons.

use std::fmt::Write as _;

use super::rng::{CITIES, FIRST_NAMES, Ids, LAST_NAMES, Rng};
use super::schema::EPOCH;
use crate::dates;
use crate::json::quote;

/// One customer.
#[derive(Clone, Debug)]
pub(crate) struct Customer {
    pub(crate) id: i64,
    pub(crate) first: &'static str,
    pub(crate) last: &'static str,
    pub(crate) email: String,
    pub(crate) addresses: i64,
}

/// Customers with their v3 records.
pub(crate) fn customers(seed: u64, count: usize) -> Vec<(Customer, String)> {
    Ids::new(seed, "customers", 11, 400.min(count as u64 / 2))
        .take(count)
        .map(|id| {
            let mut rng = Rng::new(seed, "customer", id as u64);
            let (first, last) = (rng.pick(FIRST_NAMES), rng.pick(LAST_NAMES));
            let addresses = rng.between(1, 3);
            let created = EPOCH + id * 911;
            let email = format!("customer.{id}@example.com");
            let text = format!(
                "{{\"id\":{id},\"email\":\"{email}\",\"first_name\":{},\"last_name\":{},\"company\":\"{}\",\
                 \"phone\":\"+1 555 {:07}\",\"registration_ip_address\":\"\",\"notes\":\"\",\"tax_exempt_category\":\"\",\
                 \"customer_group_id\":{},\"date_created\":\"{}\",\"date_modified\":\"{}\",\"address_count\":{addresses},\
                 \"attribute_count\":0,\"authentication\":{{\"force_password_reset\":false}},\
                 \"accepts_product_review_abandoned_cart_emails\":{},\"origin_channel_id\":1,\"channel_ids\":[]}}",
                quote(first),
                quote(last),
                rng.pick(&["", "", "ACME Inc.", "Müller & Söhne", "株式会社 例"]),
                rng.below(10_000_000),
                rng.below(3),
                dates::iso(created),
                dates::iso(created + rng.between(0, 9_000_000)),
                rng.once_in(2),
            );
            (Customer { id, first, last, email, addresses }, text)
        })
        .collect()
}

/// The v2 record of a customer.
pub(crate) fn v2_customer(seed: u64, customer: &Customer) -> String {
    let mut rng = Rng::new(seed, "v2 customer", customer.id as u64);
    let created = EPOCH + customer.id * 911;
    format!(
        "{{\"id\":{0},\"company\":\"\",\"first_name\":{1},\"last_name\":{2},\"email\":\"{3}\",\"phone\":\"\",\
         \"form_fields\":null,\"date_created\":\"{4}\",\"date_modified\":\"{5}\",\"store_credit\":\"{6}.0000\",\
         \"registration_ip_address\":\"\",\"customer_group_id\":0,\"notes\":\"\",\"tax_exempt_category\":\"\",\
         \"reset_pass_on_login\":false,\"accepts_marketing\":false,\"addresses\":{{\"url\":\
         \"https:\\/\\/api.bigcommerce.com\\/stores\\/emulated\\/v2\\/customers\\/{0}\\/addresses\",\
         \"resource\":\"\\/customers\\/{0}\\/addresses\"}}}}",
        customer.id,
        quote(customer.first),
        quote(customer.last),
        customer.email,
        dates::rfc2822(created),
        dates::rfc2822(created + 1_000),
        rng.below(50),
    )
}

/// The addresses of a customer, ids counting on from `next`.
pub(crate) fn addresses(seed: u64, customer: &Customer, next: &mut i64) -> Vec<(i64, String)> {
    (0..customer.addresses)
        .map(|n| {
            let mut rng = Rng::new(seed, "address", (customer.id * 8 + n) as u64);
            let id = *next;
            *next += if rng.once_in(20) { 3 } else { 1 };
            let (city, state, zip, country, code) = place(&mut rng);
            let text = format!(
                "{{\"id\":{id},\"customer_id\":{},\"first_name\":{},\"last_name\":{},\"company\":\"\",\
                 \"address1\":\"{} {} St.\",\"address2\":\"\",\"city\":\"{city}\",\"state_or_province\":\"{state}\",\
                 \"postal_code\":\"{zip}\",\"country\":\"{country}\",\"country_code\":\"{code}\",\"phone\":\"\",\
                 \"address_type\":\"{}\"}}",
                customer.id,
                quote(customer.first),
                quote(customer.last),
                rng.between(1, 999),
                rng.pick(super::rng::NOUNS),
                rng.pick(&["residential", "commercial"]),
            );
            (id, text)
        })
        .collect()
}

fn place(rng: &mut Rng) -> (&'static str, &'static str, &'static str, &'static str, &'static str) {
    let at = rng.below(CITIES.len() as u64) as usize;
    CITIES.get(at).copied().unwrap_or_default()
}

/// Names of order statuses; the position is the status id.
pub(crate) const STATUSES: &[&str] = &[
    "Incomplete",
    "Pending",
    "Shipped",
    "Partially Shipped",
    "Refunded",
    "Cancelled",
    "Declined",
    "Awaiting Payment",
    "Awaiting Pickup",
    "Awaiting Shipment",
    "Completed",
    "Awaiting Fulfillment",
    "Manual Verification Required",
    "Disputed",
    "Partially Refunded",
];

/// One order with what belongs to it.
#[derive(Debug)]
pub(crate) struct Order {
    pub(crate) id: i64,
    pub(crate) text: String,
    pub(crate) lines: Vec<(i64, String)>,
    pub(crate) address: (i64, String),
}

/// Orders of these customers for these products (id, name and SKU as JSON).
pub(crate) fn orders<'a>(
    seed: u64,
    count: usize,
    customers: &'a [Customer],
    products: &'a [(i64, String, String)],
) -> impl Iterator<Item = Order> + 'a {
    let mut line = 1i64;
    Ids::new(seed, "orders", 100, 500.min(count as u64 / 2)).take(count).map(move |id| {
        let mut rng = Rng::new(seed, "order", id as u64);
        let lines: Vec<(i64, String, i64)> = (0..rng.between(1, 4))
            .map(|_| {
                let number = line;
                line += 1;
                let product = products.get(rng.below(products.len() as u64) as usize);
                let (text, cents) = order_line(&mut rng, id, number, product);
                (number, text, cents)
            })
            .collect();
        let cents: i64 = lines.iter().map(|(_, _, cents)| cents).sum();
        let guest = rng.once_in(6) || customers.is_empty();
        let customer = customers.get(rng.below(customers.len() as u64) as usize).filter(|_| !guest);
        let billing = billing_address(&mut rng, customer);
        let created = EPOCH + id * 3_600;
        let text = order(&mut rng, id, customer.map_or(0, |c| c.id), &billing, &lines, cents, created);
        let address = (id + 10, shipping_address(&billing, id + 10, id, lines.len()));
        Order { id, text, lines: lines.into_iter().map(|(n, text, _)| (n, text)).collect(), address }
    })
}

/// Money as v2 writes it.
fn money(cents: i64) -> String {
    format!("\"{}.{:02}00\"", cents / 100, cents % 100)
}

fn billing_address(rng: &mut Rng, customer: Option<&Customer>) -> String {
    let (city, state, zip, country, code) = place(rng);
    let (first, last) = customer.map_or_else(|| (rng.pick(FIRST_NAMES), rng.pick(LAST_NAMES)), |c| (c.first, c.last));
    let email = customer.map_or_else(|| format!("guest{}@example.com", rng.below(9_999)), |c| c.email.clone());
    format!(
        "\"first_name\":{},\"last_name\":{},\"company\":\"\",\"street_1\":\"{} Main St\",\"street_2\":\"\",\
         \"city\":\"{city}\",\"state\":\"{state}\",\"zip\":\"{zip}\",\"country\":\"{country}\",\"country_iso2\":\"{code}\",\
         \"phone\":\"\",\"email\":\"{email}\"",
        quote(first),
        quote(last),
        rng.between(1, 999),
    )
}

fn shipping_address(billing: &str, id: i64, order: i64, items: usize) -> String {
    format!(
        "{{\"id\":{id},\"order_id\":{order},{billing},\"items_total\":{items},\"items_shipped\":0,\
         \"shipping_method\":\"Flat Rate\",\"base_cost\":\"5.0000\",\"cost_ex_tax\":\"5.0000\",\"cost_inc_tax\":\"5.0000\",\
         \"cost_tax\":\"0.0000\",\"cost_tax_class_id\":2,\"base_handling_cost\":\"0.0000\",\
         \"handling_cost_ex_tax\":\"0.0000\",\"handling_cost_inc_tax\":\"0.0000\",\"handling_cost_tax\":\"0.0000\",\
         \"handling_cost_tax_class_id\":2,\"shipping_zone_id\":1,\"shipping_zone_name\":\"Everywhere\",\"form_fields\":[]}}"
    )
}

fn order(
    rng: &mut Rng,
    id: i64,
    customer: i64,
    billing: &str,
    lines: &[(i64, String, i64)],
    cents: i64,
    created: i64,
) -> String {
    let status = rng.below(STATUSES.len() as u64) as usize;
    let tax = cents / 10;
    let mut out = String::with_capacity(3_600);
    let _ = write!(
        out,
        "{{\"id\":{id},\"customer_id\":{customer},\"date_created\":\"{}\",\"date_modified\":\"{}\",\"date_shipped\":\"\",\
         \"status_id\":{status},\"status\":\"{}\",\"cart_id\":\"{}\",\"subtotal_ex_tax\":{},\"subtotal_inc_tax\":{},\
         \"subtotal_tax\":{},\"base_shipping_cost\":\"5.0000\",\"shipping_cost_ex_tax\":\"5.0000\",\
         \"shipping_cost_inc_tax\":\"5.0000\",\"shipping_cost_tax\":\"0.0000\",\"shipping_cost_tax_class_id\":2,\
         \"base_handling_cost\":\"0.0000\",\"handling_cost_ex_tax\":\"0.0000\",\"handling_cost_inc_tax\":\"0.0000\",\
         \"handling_cost_tax\":\"0.0000\",\"handling_cost_tax_class_id\":2,\"base_wrapping_cost\":\"0.0000\",\
         \"wrapping_cost_ex_tax\":\"0.0000\",\"wrapping_cost_inc_tax\":\"0.0000\",\"wrapping_cost_tax\":\"0.0000\",\
         \"wrapping_cost_tax_class_id\":3,\"total_ex_tax\":{},\"total_inc_tax\":{},\"total_tax\":{},",
        dates::rfc2822(created),
        dates::rfc2822(created + rng.between(0, 5_000_000)),
        STATUSES.get(status).copied().unwrap_or_default(),
        rng.uuid(),
        money(cents),
        money(cents + tax),
        money(tax),
        money(cents + 500),
        money(cents + tax + 500),
        money(tax),
    );
    let links = |name: &str| {
        format!(
            "{{\"url\":\"https:\\/\\/api.bigcommerce.com\\/stores\\/emulated\\/v2\\/orders\\/{id}\\/{name}\",\
             \"resource\":\"\\/orders\\/{id}\\/{name}\"}}"
        )
    };
    let _ = write!(
        out,
        "\"items_total\":{},\"items_shipped\":0,\"payment_method\":\"{}\",\"payment_provider_id\":\"\",\
         \"payment_status\":\"captured\",\"refunded_amount\":\"0.0000\",\"order_is_digital\":false,\
         \"store_credit_amount\":\"0.0000\",\"gift_certificate_amount\":\"0.0000\",\"ip_address\":\"203.0.113.{}\",\
         \"ip_address_v6\":\"\",\"geoip_country\":\"\",\"geoip_country_iso2\":\"\",\"currency_id\":1,\
         \"currency_code\":\"USD\",\"currency_exchange_rate\":\"1.0000000000\",\"default_currency_id\":1,\
         \"default_currency_code\":\"USD\",\"store_default_currency_code\":\"USD\",\
         \"store_default_to_transactional_exchange_rate\":\"1.0000000000\",\"staff_notes\":\"\",\"customer_message\":{},\
         \"discount_amount\":\"0.0000\",\"coupon_discount\":\"0.0000\",\"shipping_address_count\":1,\"is_deleted\":{},\
         \"ebay_order_id\":\"0\",\"is_tax_inclusive_pricing\":false,\"is_email_opt_in\":false,\"order_source\":\"www\",\
         \"channel_id\":1,\"external_source\":null,\"external_id\":null,\"external_merchant_id\":null,\
         \"external_order_id\":\"\",\"tax_provider_id\":\"BasicTaxProvider\",\"customer_locale\":\"en\",\
         \"billing_address\":{{{billing},\"form_fields\":[]}},\"products\":{},\"shipping_addresses\":{},\"coupons\":{},\
         \"fees\":{},\"consignments\":{}}}",
        lines.len(),
        rng.pick(&["Credit Card", "Manual", "PayPal", "Überweisung"]),
        rng.below(255),
        quote(rng.pick(&["", "", "Please ring twice", "Bitte \"vorsichtig\"!"])),
        rng.once_in(25),
        links("products"),
        links("shippingaddresses"),
        links("coupons"),
        links("fees"),
        links("consignments"),
    );
    out
}

fn order_line(rng: &mut Rng, order: i64, id: i64, product: Option<&(i64, String, String)>) -> (String, i64) {
    let price = rng.between(99, 20_000);
    let quantity = rng.between(1, 5);
    let empty = (0, "\"Custom item\"".to_owned(), "\"\"".to_owned());
    let (product, name, sku) = product.unwrap_or(&empty);
    (line(order, id, *product, name, sku, price, quantity), price * quantity)
}

/// A line of an order. Name and SKU are JSON, the price is in cents.
pub(crate) fn line(order: i64, id: i64, product: i64, name: &str, sku: &str, price: i64, quantity: i64) -> String {
    let (total, tax) = (price * quantity, price / 10);
    format!(
        "{{\"id\":{id},\"order_id\":{order},\"product_id\":{product},\"variant_id\":{},\"order_pickup_method_id\":0,\
         \"order_address_id\":{},\"name\":{name},\"name_customer\":{name},\"name_merchant\":{name},\"sku\":{sku},\"upc\":\"\",\
         \"type\":\"physical\",\"base_price\":{},\"price_ex_tax\":{},\"price_inc_tax\":{},\"price_tax\":{},\"base_total\":{},\
         \"total_ex_tax\":{},\"total_inc_tax\":{},\"total_tax\":{},\"weight\":\"1.0000\",\"width\":\"0.0000\",\
         \"height\":\"0.0000\",\"depth\":\"0.0000\",\"quantity\":{quantity},\"base_cost_price\":\"0.0000\",\
         \"cost_price_inc_tax\":\"0.0000\",\"cost_price_ex_tax\":\"0.0000\",\"cost_price_tax\":\"0.0000\",\
         \"is_refunded\":false,\"quantity_refunded\":0,\"refund_amount\":\"0.0000\",\"return_id\":0,\"wrapping_id\":0,\
         \"wrapping_name\":\"\",\"base_wrapping_cost\":\"0.0000\",\"wrapping_cost_ex_tax\":\"0.0000\",\
         \"wrapping_cost_inc_tax\":\"0.0000\",\"wrapping_cost_tax\":\"0.0000\",\"wrapping_message\":\"\",\
         \"quantity_shipped\":0,\"event_name\":null,\"event_date\":null,\"fixed_shipping_cost\":\"0.0000\",\
         \"ebay_item_id\":\"\",\"ebay_transaction_id\":\"\",\"option_set_id\":null,\"parent_order_product_id\":null,\
         \"is_bundled_product\":false,\"bin_picking_number\":\"\",\"external_id\":null,\"brand\":\"\",\
         \"gift_certificate_id\":null,\"discounted_total_inc_tax\":{},\"applied_discounts\":[],\"product_options\":[],\
         \"configurable_fields\":[]}}",
        super::catalog::base_variant(product),
        order + 10,
        money(price),
        money(price),
        money(price + tax),
        money(tax),
        money(total),
        money(total),
        money(total + tax * quantity),
        money(tax * quantity),
        money(total + tax * quantity),
    )
}

/// Coupons.
pub(crate) fn coupons(seed: u64, count: usize) -> impl Iterator<Item = (i64, String)> {
    Ids::new(seed, "coupons", 1, 0).take(count).map(move |id| {
        let mut rng = Rng::new(seed, "coupon", id as u64);
        let kind = rng.pick(&["per_item_discount", "per_total_discount", "shipping_discount", "percentage_discount"]);
        let text = format!(
            "{{\"id\":{id},\"date_created\":\"{}\",\"num_uses\":{},\"name\":\"{} {id}\",\"type\":\"{kind}\",\
             \"amount\":\"{}.{:02}00\",\"min_purchase\":\"{}.0000\",\"expires\":\"{}\",\"enabled\":{},\
             \"code\":\"CODE{id:05}{:02X}\",\"applies_to\":{{\"entity\":\"categories\",\"ids\":[0]}},\"max_uses\":{},\
             \"max_uses_per_customer\":0,\"restricted_to\":{{}},\"shipping_methods\":[]}}",
            dates::rfc2822(EPOCH + id * 7_200),
            rng.below(90),
            rng.pick(&["Summer sale", "Winterschlussverkauf", "Soldes d'été", "Welcome"]),
            rng.below(50),
            rng.below(100),
            rng.below(100),
            dates::rfc2822(EPOCH + 90_000_000 + id * 86_400),
            !rng.once_in(5),
            rng.below(256),
            rng.below(500),
        );
        (id, text)
    })
}
