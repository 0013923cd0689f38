//! Adding an object takes data only: the generator makes a whole object of one more line of facts.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(dead_code, reason = "the modules are those of the build script")]

#[path = "../build/facts.rs"]
mod facts;
#[path = "../build/names.rs"]
mod names;
#[path = "../build/nodes.rs"]
mod nodes;
#[path = "../build/objects.rs"]
mod objects;
#[path = "../build/overrides.rs"]
mod overrides;
#[path = "../build/reads.rs"]
mod reads;
#[path = "../build/writes.rs"]
mod writes;

const FACTS: &str = include_str!("../facts.json");

/// Shelves of a product: a collection below a parent, with a batch, an item path, and an action on one of them.
const SHELVES: &str = r#"
{"key":"v3:/catalog/products/{product_id}/shelves","name":"products/shelves","object":"products","version":"v3","kind":"collection",
 "collection_path":"/v3/catalog/products/{product_id}/shelves",
 "item_path":"/v3/catalog/products/{product_id}/shelves/{shelf_id}","key_fields":["id"],
 "parent_params":[{"name":"product_id"}],"item_params":[{"name":"shelf_id"}],
 "pagination":{"style":"v3_page","params":["page","limit"],"max_limit":250},
 "query":[{"name":"label:like","role":"filter","type":"string","field":"label","operator":"like"}],
 "operations":[
  {"verb":"list","method":"GET","path":"/v3/catalog/products/{product_id}/shelves","success":{"200":{"envelope":"data_meta","shape":"array"}}},
  {"verb":"create","method":"POST","path":"/v3/catalog/products/{product_id}/shelves","body":{"shape":"array","max_items":7},
   "success":{"200":{"envelope":"data_meta","shape":"array"}}},
  {"verb":"delete","method":"DELETE","path":"/v3/catalog/products/{product_id}/shelves/{shelf_id}","delete":{"by":"id_path"},
   "success":{"204":{"shape":"empty"}}}],
 "schemas":{"read":{"fields":[{"name":"id","type":"integer"},{"name":"label","type":"string"}]},
  "create":{"fields":[{"name":"label","type":"string","required":true}]}}},
{"key":"v3:/catalog/products/{product_id}/shelves/sweep","name":"products/shelves/sweep","object":"products","version":"v3","kind":"action",
 "collection_path":"/v3/catalog/products/{product_id}/shelves/sweep","item_path":null,"parent_params":[{"name":"product_id"}],
 "operations":[{"verb":"action","method":"POST","path":"/v3/catalog/products/{product_id}/shelves/sweep",
  "body":{"shape":"object"},"success":{"200":{"envelope":"data_meta","shape":"object"}}}],
 "schemas":{"action":{"fields":[{"name":"thoroughly","type":"boolean"}]},"read":{"fields":[{"name":"swept","type":"integer"}]}}}"#;

fn with_shelves(shelves: &str) -> Result<String, String> {
    let rest = FACTS.trim_start().strip_prefix('[').unwrap();
    objects::table(&facts::resources(&format!("[{shelves},{rest}"))?)
}

/// The code of one object.
fn of<'a>(table: &'a str, name: &str) -> &'a str {
    let start = table.find(&format!("Object{{name:{name:?}")).unwrap_or_else(|| panic!("no object {name}"));
    let rest = &table[start..];
    rest[1..].find("Object{name:").map_or(rest, |end| &rest[..end])
}

#[test]
fn one_line_of_facts_makes_a_whole_object() {
    let before = objects::table(&facts::resources(FACTS).unwrap()).unwrap();
    let table = with_shelves(SHELVES).unwrap();
    assert_eq!(table.matches("Object{name:").count(), before.matches("Object{name:").count() + 2);
    let shelves = of(&table, "products/shelves");
    for part in [
        r#"title:"Product shelves",parent:Some("products")"#,
        r#"key:&["product_id", "id"]"#,
        r#"ParentKey{field:"product_id",object:"products",key:"id",in_record:false}"#,
        r#"reads:&[Read{path:"/v3/catalog/products/{product_id}/shelves",envelope:Envelope::Data"#,
        r#"Filter{param:"label:like",field:"label",op:Op::Like"#,
        r#"Write{method:Method::Post,path:"/v3/catalog/products/{product_id}/shelves",body:Body::Array"#,
        "max_items:Some(7)",
        r#"required:&["product_id", "label"]"#,
        r#"Delete{path:"/v3/catalog/products/{product_id}/shelves/{id}",by:DeleteBy::Path"#,
    ] {
        assert!(shelves.contains(part), "{part} is not in {shelves}");
    }
    let sweep = of(&table, "products/shelves/sweep");
    for part in [r#"parent:Some("products/shelves")"#, "reads:&[]", "body:Body::Object", "result:Some(&N", "update:&[]"]
    {
        assert!(sweep.contains(part), "{part} is not in {sweep}");
    }
}

#[test]
fn what_the_rules_cannot_derive_is_refused_by_name() {
    let nameless = SHELVES.replace(
        r#""path":"/v3/catalog/products/{product_id}/shelves/{shelf_id}","delete":{"by":"id_path"}"#,
        r#""path":"/v3/catalog/products/{product_id}/shelves","delete":{"by":"all"}"#,
    );
    let refused = with_shelves(&nameless).unwrap_err();
    assert!(
        refused.contains("DELETE /v3/catalog/products/{product_id}/shelves: it cannot name its records"),
        "{refused}"
    );
    let odd = with_shelves(&SHELVES.replace(r#""shape":"array","max_items":7"#, r#""shape":"heap""#)).unwrap_err();
    assert!(odd.contains("unknown body heap"), "{odd}");
}
