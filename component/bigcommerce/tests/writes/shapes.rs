//! Every documented shape of an answer to a write gives one outcome per record, and the right one.

use connector_bigcommerce::error::Kind;
use connector_bigcommerce::types::{Outcome, Verb};
use serde_json::{Value, json};

use crate::store::{Store, answer, applied, error, request, run, words, write};

fn metafield(number: usize) -> Value {
    json!({ "resource_id": 1, "namespace": "n", "key": format!("k{number}"), "value": "v", "permission_set": "read" })
}

#[test]
fn a_422_with_saved_metafields_tells_them_from_the_others() {
    let (connector, store) = Store::new(|sent| {
        let mut saved: Vec<Value> = sent.body.as_array().unwrap().clone();
        saved.remove(1);
        saved.iter_mut().enumerate().for_each(|(id, record)| record["id"] = json!(id + 10));
        // In another order than they were sent.
        saved.reverse();
        let errors = json!([{ "status": 409, "title": "The key is taken.", "errors": {} }]);
        answer(422, json!({ "data": saved, "errors": errors, "meta": { "total": 3, "success": 2, "failed": 1 } }))
    });
    let outcomes = write(&connector, Verb::Create, "products/metafields", &[metafield(0), metafield(1), metafield(2)]);
    assert_eq!(words(&outcomes), ["applied", "failed", "applied"], "{outcomes:?}");
    assert_eq!(
        (applied(&outcomes[0])["key"].clone(), applied(&outcomes[2])["key"].clone()),
        (json!("k0"), json!("k2"))
    );
    assert!(error(&outcomes[1]).message.contains("The key is taken."));
    assert_eq!(store.sent().len(), 1, "nothing that was saved is sent again");
}

#[test]
fn a_409_of_segments_has_the_same_shape() {
    let (connector, store) = Store::new(|_| {
        let saved = json!([{ "id": "5a1d0c52-0000-4000-8000-000000000001", "name": "B", "description": "" }]);
        let errors =
            json!([{ "status": 409, "title": "Cannot have multiple segments with the same name.", "errors": {} }]);
        answer(409, json!({ "data": saved, "errors": errors, "meta": { "total": 2, "success": 1, "failed": 1 } }))
    });
    let record = |name: &str| json!({ "name": name, "description": "" });
    let outcomes = write(&connector, Verb::Create, "segments", &[record("A"), record("B")]);
    assert_eq!(words(&outcomes), ["failed", "applied"], "{outcomes:?}");
    assert_eq!(error(&outcomes[0]).kind, Kind::Conflict);
    assert_eq!(store.sent().len(), 1);
}

#[test]
fn a_207_of_categories_names_its_failures_by_their_place() {
    let (connector, _) = Store::new(|_| {
        let saved =
            json!([{ "category_id": 8, "name": "A", "tree_id": 1 }, { "category_id": 9, "name": "C", "tree_id": 1 }]);
        let errors = json!({ "status": 422, "title": "Some failed.", "errors": { "1.name": "is taken" } });
        answer(207, json!({ "data": saved, "errors": errors, "meta": { "total": 3, "success": 2, "failed": 1 } }))
    });
    let record = |name: &str| json!({ "name": name, "tree_id": 1 });
    let outcomes = write(&connector, Verb::Create, "trees/categories", &[record("A"), record("B"), record("C")]);
    assert_eq!(words(&outcomes), ["applied", "failed", "applied"], "{outcomes:?}");
    assert_eq!(error(&outcomes[1]).pointer.as_deref(), Some("/name"));
    assert_eq!(applied(&outcomes[2])["category_id"], 9);
}

#[test]
fn a_207_without_records_is_read_by_what_it_names() {
    let (connector, _) = Store::new(|_| {
        let errors = json!({ "status": 422, "title": "Some failed.", "errors": { "0.name": "is taken" } });
        answer(207, json!({ "errors": errors, "meta": { "total": 2, "success": 1, "failed": 1 } }))
    });
    let records = [json!({ "category_id": 1, "name": "A" }), json!({ "category_id": 2, "name": "B" })];
    let outcomes = write(&connector, Verb::Update, "trees/categories", &records);
    assert_eq!(words(&outcomes), ["failed", "applied"], "{outcomes:?}");
    assert_eq!(applied(&outcomes[1]), json!({ "category_id": 2 }));
}

#[test]
fn a_group_that_was_saved_without_its_discount_is_not_called_applied() {
    let (connector, store) =
        Store::new(|_| answer(207, json!({ "status": 207, "message": "The group was saved, its discount was not." })));
    let outcomes = write(&connector, Verb::Create, "customer_groups", &[json!({ "name": "Gold" })]);
    assert_eq!(words(&outcomes), ["unknown"]);
    assert!(error(&outcomes[0]).message.contains("its discount was not"), "{outcomes:?}");
    assert_eq!(store.sent().len(), 1);
}

#[test]
fn an_address_that_a_success_leaves_out_exists_already() {
    let (connector, store) = Store::new(|sent| {
        let mut saved = sent.body.as_array().unwrap().clone();
        saved.remove(0);
        saved[0]["id"] = json!(5);
        answer(200, json!({ "data": saved, "meta": {} }))
    });
    let address = |city: &str| {
        json!({ "customer_id": 3, "first_name": "A", "last_name": "B", "address1": "1 Way", "city": city,
            "state_or_province": "Texas", "postal_code": "1", "country_code": "US" })
    };
    let outcomes = write(&connector, Verb::Create, "customers/addresses", &[address("X"), address("Y")]);
    assert_eq!(words(&outcomes), ["failed", "applied"], "{outcomes:?}");
    assert_eq!((error(&outcomes[0]).kind, applied(&outcomes[1])["city"].clone()), (Kind::Conflict, json!("Y")));
    assert_eq!(store.sent().len(), 1);
}

#[test]
fn an_update_that_a_success_leaves_out_is_looked_up() {
    let (connector, store) = Store::new(|sent| match sent.line.starts_with("GET") {
        true => answer(200, json!({ "data": [{ "id": 4, "customer_id": 3, "city": "X" }], "meta": {} })),
        false => answer(200, json!({ "data": [], "meta": {} })),
    });
    let records = [json!({ "id": 4, "city": "X" }), json!({ "id": 5, "city": "X" })];
    let outcomes = write(&connector, Verb::Update, "customers/addresses", &records);
    assert_eq!(words(&outcomes), ["applied", "failed"], "an equal change is as good as done: {outcomes:?}");
    assert_eq!(error(&outcomes[1]).kind, Kind::NotFound);
    assert_eq!(store.sent().len(), 2, "{:?}", store.lines());
}

#[test]
fn price_records_of_which_some_failed_are_looked_up_and_not_sent_again() {
    let (connector, store) = Store::new(|sent| {
        if sent.line.starts_with("GET") {
            let kept = json!({ "price_list_id": 1, "variant_id": 12, "currency": "usd", "price": 2 });
            return answer(200, json!({ "data": [kept], "meta": {} }));
        }
        let failed =
            json!({ "data": { "variant_id": 11, "currency": "usd" }, "field_errors": { "price": "is too low" } });
        answer(422, json!({ "batch_errors": [failed] }))
    });
    let record = |variant: u32, price: i32| json!({ "price_list_id": 1, "variant_id": variant, "currency": "usd", "price": price });
    let mut request = request("pricelists/records", &[record(11, -1), record(12, 2), record(13, 3)]);
    request.upsert = true;
    let outcomes = run(connector.write(Verb::Update, &request)).unwrap();
    assert_eq!(words(&outcomes), ["failed", "applied", "failed"], "{outcomes:?}");
    assert!(error(&outcomes[0]).message.contains("is too low"));
    assert_eq!(store.lines().iter().filter(|line| line.starts_with("PUT")).count(), 1);
}

#[test]
fn price_records_that_are_not_given_back_are_known_by_their_key() {
    let (connector, _) = Store::new(|_| answer(200, json!({ "data": {}, "meta": {} })));
    let record = |variant: u32| json!({ "price_list_id": 1, "variant_id": variant, "currency": "usd", "price": 1 });
    let outcomes = write(&connector, Verb::Create, "pricelists/records", &[record(1), record(2)]);
    assert_eq!(applied(&outcomes[1]), json!({ "price_list_id": 1, "variant_id": 2, "currency": "usd" }));
    let by_sku = json!({ "price_list_id": 1, "sku": "A", "currency": "usd", "price": 1 });
    assert_eq!(words(&write(&connector, Verb::Create, "pricelists/records", &[by_sku])), ["applied"]);
    let by_nothing = json!({ "price_list_id": 1, "currency": "usd", "price": 1 });
    let outcomes = write(&connector, Verb::Create, "pricelists/records", &[by_nothing]);
    assert!(error(&outcomes[0]).message.contains("`variant_id` or `sku`"), "{outcomes:?}");
}

#[test]
fn a_refused_batch_of_variants_is_sent_one_by_one() {
    let (connector, store) = Store::new(|sent| {
        let rows = sent.body.as_array().unwrap();
        match rows.iter().any(|row| row["price"] == json!(-1)) {
            true => answer(
                422,
                json!({ "batch_errors": [{ "status": 422, "title": "Bad price", "errors": { "price": "negative" } }] }),
            ),
            false => answer(200, json!({ "data": rows, "meta": {} })),
        }
    });
    let record = |id: u32, price: i32| json!({ "id": id, "product_id": 1, "price": price });
    let mut request = request("products/variants", &[record(1, 1), record(2, -1), record(3, 1)]);
    request.upsert = true;
    let outcomes = run(connector.write(Verb::Update, &request)).unwrap();
    assert_eq!(words(&outcomes), ["applied", "failed", "applied"], "{outcomes:?}");
    assert_eq!(error(&outcomes[1]).pointer.as_deref(), Some("/price"));
    assert_eq!(store.sent().len(), 4);
}

#[test]
fn a_delete_that_is_carried_out_later_is_looked_at_until_it_is_done() {
    let mut looks = 0;
    let (connector, store) = Store::new(move |sent| {
        if sent.line.starts_with("DELETE") {
            return answer(202, json!({ "meta": { "total": 2, "success": 2, "failed": 0 } }));
        }
        looks += 1;
        let left = match looks {
            1 => json!([{ "category_id": 1 }, { "category_id": 2 }]),
            _ => json!([{ "category_id": 2 }]),
        };
        answer(200, json!({ "data": left, "meta": {} }))
    });
    let records = [json!({ "category_id": 1 }), json!({ "category_id": 2 })];
    let outcomes = write(&connector, Verb::Delete, "trees/categories", &records);
    assert_eq!(words(&outcomes), ["applied", "unknown"], "{outcomes:?}");
    assert!(error(&outcomes[1]).message.contains("later"));
    assert_eq!(store.lines().iter().filter(|line| line.starts_with("DELETE")).count(), 1);
}

#[test]
fn a_bulk_delete_that_failed_in_part_tells_which() {
    let (connector, store) = Store::new(|_| {
        let errors = json!([{ "status": 422, "title": "Errors occurred.", "errors": { "0.constraint": "Failed for id=12.", "2.code": "Failed for id=14." } }]);
        answer(422, json!({ "errors": errors, "meta": { "total": 3, "success": 1, "failed": 2 } }))
    });
    let records = [json!({ "id": 12 }), json!({ "id": 13 }), json!({ "id": 14 })];
    let outcomes = write(&connector, Verb::Delete, "promotions", &records);
    assert_eq!(words(&outcomes), ["failed", "applied", "failed"], "{outcomes:?}");
    assert!(error(&outcomes[2]).message.contains("id=14"));
    assert_eq!(store.sent().len(), 1);
}

#[test]
fn metafields_are_deleted_by_their_ids_in_a_body_and_those_left_are_looked_up() {
    let (connector, store) = Store::new(|sent| {
        if sent.line.starts_with("GET") {
            return answer(200, json!({ "data": [{ "id": 3 }], "meta": {} }));
        }
        let errors = json!([{ "status": 404, "title": "Not found" }, { "status": 403, "title": "Not yours" }]);
        answer(422, json!({ "data": [1], "errors": errors, "meta": { "total": 3, "success": 1, "failed": 2 } }))
    });
    let records = [json!({ "id": 1 }), json!({ "id": 2 }), json!({ "id": 3 })];
    let outcomes = write(&connector, Verb::Delete, "products/metafields", &records);
    assert_eq!(words(&outcomes), ["applied", "applied", "failed"], "what is gone is deleted: {outcomes:?}");
    assert_eq!(store.sent()[0].body, json!([1, 2, 3]));
}

#[test]
fn a_field_that_a_listing_never_changes_is_told() {
    let (connector, _) = Store::new(|sent| {
        let mut kept = sent.body.as_array().unwrap().clone();
        kept.iter_mut().for_each(|record| record["product_id"] = json!(1));
        answer(200, json!({ "data": kept, "meta": {} }))
    });
    let record = |listing: u32, product: u32| json!({ "channel_id": 1, "listing_id": listing, "product_id": product, "state": "active", "variants": [] });
    let outcomes = write(&connector, Verb::Update, "channels/listings", &[record(1, 1), record(2, 9)]);
    assert_eq!(words(&outcomes), ["applied", "unknown"], "{outcomes:?}");
    assert_eq!(error(&outcomes[1]).pointer.as_deref(), Some("/product_id"));
    assert!(error(&outcomes[1]).message.contains("left it at `1`"));
}

#[test]
fn fields_that_would_be_lost_without_a_word_are_refused_before_anything_is_sent() {
    let (connector, store) = Store::new(|sent| panic!("{sent:?}"));
    for (object, record, pointer) in [
        ("channels", json!({ "id": 1, "platform": "custom" }), "/platform"),
        ("products", json!({ "id": 1, "date_created": "2026-01-01T00:00:00Z" }), "/date_created"),
        ("products", json!({ "id": 1, "images": [{ "image_url": "u" }, { "url_zoom": "u" }] }), "/images/1/url_zoom"),
        ("orders", json!({ "id": 1, "status": "Shipped" }), "/status"),
    ] {
        let outcomes = write(&connector, Verb::Update, object, &[record]);
        assert_eq!(words(&outcomes), ["failed"], "{object}");
        let error = error(&outcomes[0]);
        assert_eq!((error.kind, error.pointer.as_deref()), (Kind::InvalidRequest, Some(pointer)), "{error:?}");
    }
    assert!(store.sent().is_empty());
}

#[test]
fn a_refusal_of_an_order_names_the_field() {
    let (connector, _) = Store::new(|_| {
        answer(
            400,
            json!([{ "status": 404, "message": "The field 'items_total' cannot be written to. Please remove it." }]),
        )
    });
    let outcomes = write(&connector, Verb::Update, "orders", &[json!({ "id": 1, "items_total": 5 })]);
    let error = error(&outcomes[0]);
    assert!(error.message.contains("cannot be written to"), "{error:?}");
    assert_eq!((error.status, error.pointer.as_deref()), (Some(400), Some("/items_total")));
}

#[test]
fn form_field_values_need_one_of_their_owners() {
    let (connector, store) = Store::new(|sent| answer(200, json!({ "data": sent.body, "meta": {} })));
    let of_customer = json!({ "customer_id": 3, "name": "Colour", "value": "red" });
    let of_address = json!({ "address_id": 4, "name": "Colour", "value": "blue" });
    let of_nobody = json!({ "name": "Colour", "value": "blue" });
    let mut request = request("customers/form-field-values", &[of_customer, of_address.clone(), of_nobody]);
    request.upsert = true;
    let outcomes = run(connector.write(Verb::Update, &request)).unwrap();
    assert_eq!(words(&outcomes), ["applied", "applied", "failed"], "{outcomes:?}");
    assert_eq!(applied(&outcomes[1]), of_address);
    assert_eq!(store.sent().len(), 1);
}

#[test]
fn customers_that_come_back_in_another_order_are_told_apart() {
    let (connector, _) = Store::new(|sent| {
        let mut rows = sent.body.as_array().unwrap().clone();
        rows.iter_mut().enumerate().for_each(|(id, row)| row["id"] = json!(id + 1));
        rows.reverse();
        answer(200, json!({ "data": rows, "meta": {} }))
    });
    let record = |number: u32| json!({ "first_name": "A", "last_name": "B", "email": format!("{number}@x.com") });
    let records = [record(1), record(2), record(3)];
    let outcomes = write(&connector, Verb::Create, "customers", &records);
    for (record, outcome) in records.iter().zip(&outcomes) {
        assert_eq!(applied(outcome)["email"], record["email"]);
    }
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Outcome::Applied(_))));
}

#[test]
fn a_batch_of_prices_holds_what_names_each_of_them() {
    let (connector, store) = Store::new(|_| answer(200, json!({ "data": {}, "meta": {} })));
    let rows = [
        json!({ "price_list_id": 1, "variant_id": 11, "currency": "usd", "price": 5 }),
        json!({ "price_list_id": 1, "sku": "A", "currency": "usd", "price": 6 }),
    ];
    for verb in [Verb::Update, Verb::Create] {
        let mut request = request("pricelists/records", &rows);
        request.upsert = true;
        let outcomes = run(connector.write(verb, &request)).unwrap();
        assert_eq!(words(&outcomes), ["applied"; 2], "{outcomes:?}");
        let sent = store.sent().pop().unwrap().body;
        assert_eq!((&sent[0]["variant_id"], &sent[1]["sku"]), (&json!(11), &json!("A")), "{sent}");
    }
}

#[test]
fn a_key_that_the_request_cannot_hold_is_refused() {
    let (connector, store) = Store::new(|sent| panic!("{sent:?}"));
    let redirect = json!({ "id": 5, "site_id": 1, "from_path": "/new" });
    let template = json!({ "id": 5, "channel_id": 1, "entity_id": 1, "entity_type": "product", "file_name": "a.html" });
    for (object, row) in [("redirects", redirect), ("custom-template-associations", template)] {
        let mut request = request(object, &[row]);
        request.upsert = true;
        for verb in [Verb::Update, Verb::Create] {
            let outcomes = run(connector.write(verb, &request)).unwrap();
            assert_eq!(
                (words(&outcomes)[0], error(&outcomes[0]).pointer.as_deref()),
                ("failed", Some("/id")),
                "{object}"
            );
        }
        request.match_on = vec!["id".into()];
        let refused = run(connector.write(Verb::Update, &request)).unwrap_err();
        assert_eq!(refused.pointer.as_deref(), Some("/match-on"), "{refused:?}");
    }
    assert!(store.sent().is_empty());
}

#[test]
fn a_record_that_comes_back_with_another_key_is_not_called_applied() {
    let (connector, _) = Store::new(|_| answer(200, json!({ "data": { "id": 8, "name": "B" }, "meta": {} })));
    let outcomes = write(&connector, Verb::Update, "brands", &[json!({ "id": 7, "name": "B" })]);
    assert_eq!((words(&outcomes)[0], error(&outcomes[0]).pointer.as_deref()), ("unknown", Some("/id")), "{outcomes:?}");
}

#[test]
fn dates_are_written_in_the_notation_that_is_documented() {
    let (connector, store) = Store::new(|sent| answer(200, sent.body.clone()));
    let body = |object: &str, row: Value| {
        write(&connector, Verb::Update, object, &[row]);
        store.sent().pop().unwrap().body
    };
    let rfc2822 = "Tue, 13 Mar 2018 16:18:59 +0000";
    for given in ["2018-03-13T16:18:59Z", "2018-03-13T17:18:59+01:00", rfc2822] {
        assert_eq!(body("coupons", json!({ "id": 1, "expires": given }))["expires"], rfc2822);
        assert_eq!(
            body("blog_posts", json!({ "id": 1, "published_date": given, "title": "t" }))["published_date"],
            rfc2822
        );
    }
    assert_eq!(body("coupons", json!({ "id": 1, "expires": "" }))["expires"], "", "what is no date stays as it is");
    assert_eq!(body("banners", json!({ "id": 1, "date_from": "1603306" }))["date_from"], "1603306");
    let promotion = body("promotions", json!({ "id": 1, "end_date": "2018-03-13T16:18:59Z" }));
    assert_eq!(promotion["end_date"], "2018-03-13T16:18:59Z", "v3 keeps its own");
}

#[test]
fn a_part_of_a_metafield_goes_where_the_documents_take_a_part() {
    let (connector, store) = Store::new(|sent| {
        let data = if sent.body.is_array() { sent.body.clone() } else { json!({ "id": 7, "value": "w" }) };
        answer(200, json!({ "data": data, "meta": {} }))
    });
    let part = json!({ "id": 7, "resource_id": 1, "value": "w" });
    let whole =
        json!({ "id": 7, "resource_id": 1, "namespace": "n", "key": "k", "value": "w", "permission_set": "read" });
    for record in [part, whole] {
        let outcomes = write(&connector, Verb::Update, "products/metafields", &[record]);
        assert_eq!(words(&outcomes), ["applied"], "{outcomes:?}");
    }
    let sent = store.sent();
    let lines: Vec<&str> = sent.iter().map(|sent| sent.line.as_str()).collect();
    assert_eq!(lines, ["PUT /v3/catalog/products/metafields", "PUT /v3/catalog/products/1/metafields/7"]);
    assert!(sent[0].body.is_array(), "{}", sent[0].body);
}

#[test]
fn a_key_that_is_no_number_of_json_is_refused() {
    let (connector, store) = Store::new(|sent| panic!("{sent:?}"));
    let records = ["037", "00", "7 ", "-7", "7.0", "٧"].map(|id| json!({ "id": id, "resource_id": 1 }));
    let outcomes = write(&connector, Verb::Delete, "categories/metafields", &records);
    for outcome in &outcomes {
        assert_eq!((error(outcome).kind, error(outcome).pointer.as_deref()), (Kind::InvalidRequest, Some("/id")));
    }
    assert!(store.sent().is_empty());
    let (connector, store) = Store::new(|_| answer(204, Value::Null));
    write(&connector, Verb::Delete, "categories/metafields", &[json!({ "id": "37" }), json!({ "id": 0 })]);
    assert_eq!(store.sent()[0].body, json!([37, 0]));
}
