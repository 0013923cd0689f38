//! What a person decided after reading the API's documents, because the rules cannot see it in the facts. Each entry says why.
//!
//! Resources are named by their `key` in the facts, operations by method and path, objects by the name that callers use.

/// Resources that go under another name than the facts give them: `(resource, object)`.
pub(crate) const OBJECTS: &[(&str, &str)] = &[
    // v2 reads tax classes, v3 writes them; keys and fields are the same. One object has both.
    ("v2:/tax_classes", "tax_classes"),
    // The flat paths lead to the records of the nested ones.
    ("v3:/catalog/variants", "products/variants"),
    ("v3:/catalog/variants/metafields", "products/variants/metafields"),
    // Looks codes up in all promotions. Its records do not tell the promotion, which is half of the other object's key.
    ("v3:/promotions/codes", "promotion_codes"),
    // Counts the states of all countries; the nested path counts those of one.
    ("v2:/countries/states/count", "states/count"),
    // Not the records of /catalog/trees/categories: nested nodes with another key.
    ("v3:/catalog/trees/{tree_id}/categories", "trees/category-tree"),
];

/// Operations that are left out: `(method, path, reason)`. Every other operation of the facts is in the table; a test holds the
/// two together, and the reasons stand in `docs/coverage.md`.
pub(crate) const EXCLUDED: &[(&str, &str, &str)] = &[
    ("DELETE", "/v2/banners", DELETES_ALL),
    ("DELETE", "/v2/blog/posts", "deletes a page of posts, whichever they are"),
    ("DELETE", "/v2/currencies", "deletes all but the default currency"),
    ("DELETE", "/v2/customers", DELETES_ALL),
    ("DELETE", "/v2/customers/{customer_id}/addresses", DELETES_ALL),
    ("DELETE", "/v2/gift_certificates", DELETES_ALL),
    ("DELETE", "/v2/orders", "archives all"),
    ("DELETE", "/v2/orders/{order_id}/shipments", DELETES_ALL),
    ("DELETE", "/v2/redirects", DELETES_ALL),
    (
        "DELETE",
        "/v3/catalog/brands",
        "names brands by a name, which several can bear; the path of one brand names it for certain",
    ),
    (
        "DELETE",
        "/v3/customers/subscribers",
        "describes subscribers rather than names them, and without a filter deletes all; the path of one names it",
    ),
    (
        "DELETE",
        "/v3/pricelists/{price_list_id}/records",
        "its filters name every pair of their values; the path of one record names it for certain",
    ),
    (
        "DELETE",
        "/v3/storefront/api-token",
        "names the token in a header of its own (Sf-Api-Token); no request of this connector carries another secret than its own",
    ),
    ("GET", "/v3/pricelists/{price_list_id}/records/{variant_id}", "the collection filters by variant as well"),
    (
        "PUT",
        "/v3/content/pages",
        "a batch with a bad page is answered 422 although the good ones were saved; the path of one page has no such doubt",
    ),
    ("GET", "/v3/catalog/products/{product_id}/variants/{variant_id}/metafields", FLAT_TWIN),
    ("GET", "/v3/catalog/products/{product_id}/variants/{variant_id}/metafields/{metafield_id}", FLAT_TWIN),
    ("POST", "/v3/catalog/products/{product_id}/variants/{variant_id}/metafields", FLAT_TWIN),
    ("PUT", "/v3/catalog/products/{product_id}/variants/{variant_id}/metafields/{metafield_id}", FLAT_TWIN),
    ("DELETE", "/v3/catalog/products/{product_id}/variants/{variant_id}/metafields/{metafield_id}", FLAT_TWIN),
    ("POST", "/v3/catalog/brands/{brand_id}/image", UPLOAD),
    ("POST", "/v3/catalog/categories/{category_id}/image", UPLOAD),
    ("POST", "/v3/catalog/products/{product_id}/modifiers/{modifier_id}/values/{value_id}/image", UPLOAD),
    ("POST", "/v3/settings/favicon/image", UPLOAD),
    ("POST", "/v3/settings/logo/image", UPLOAD),
    ("POST", "/v3/storefront/redirects/imex/import", UPLOAD),
    ("POST", "/v3/themes", UPLOAD),
    ("GET", "/v3/infrastructure/deployments/{deployment_uuid}/events", STREAM),
    ("GET", "/v3/infrastructure/logs/{project_uuid}/tail", STREAM),
    ("GET", "/v3/storefront/redirects/imex/export/{uuid}/events", STREAM),
    ("GET", "/v3/storefront/redirects/imex/import/{uuid}/events", STREAM),
    ("GET", "/v3/storefront/redirects/imex/export/{uuid}/download", "a CSV file, not records"),
];

const DELETES_ALL: &str = "deletes all; a delete of this connector names its records";
const FLAT_TWIN: &str = "its records do not tell the product, which this path needs; the flat path leads to the same records and does as much";
const UPLOAD: &str = "takes a file as multipart/form-data; records are JSON";
const STREAM: &str = "a stream of events without an end, not records";

/// Operations that the documents call upserts although the record is nothing but its key: there is nothing to overwrite, so
/// creating one that is there already does no harm: `(method, path)`.
pub(crate) const PLAIN_CREATES: &[(&str, &str)] =
    &[("PUT", "/v3/catalog/products/category-assignments"), ("PUT", "/v3/catalog/products/channel-assignments")];

/// Batches that are kept smaller than the documents allow: `(method, path, records)`.
pub(crate) const MOST: &[(&str, &str, u32)] = &[
    // The zones of an answer do not tell which question each of them answers.
    ("POST", "/v3/tax/zonecheck", 1),
];

/// Operations that take one record or many, and are used for one: `(method, path)`.
pub(crate) const ONE_BY_ONE: &[(&str, &str)] = &[
    // See PUT /v3/content/pages in `EXCLUDED`.
    ("POST", "/v3/content/pages"),
];

/// Path parameters whose field is neither the parameter's own name, nor `resource_id`, nor a key field: `(resource, parameter, field)`.
pub(crate) const PARAMETERS: &[(&str, &str, &str)] = &[
    // The parameter is the theme's uuid; `uuid` is the configuration's.
    ("v3:/themes/{uuid}/configurations", "uuid", "theme_uuid"),
    ("v3:/themes/{uuid}/configurations/validate", "uuid", "theme_uuid"),
    ("v3:/themes/{uuid}/actions/download", "uuid", "theme_uuid"),
];

/// Keys that the facts lack or have differently: `(object, fields)`.
pub(crate) const KEYS: &[(&str, &[&str])] = &[
    ("blog_tags", &["tag"]),
    // One record per variant; its locations are inside.
    ("inventory_items", &["identity.variant_id"]),
    // v2 names a method by its code, v3 by its id.
    ("payments_methods", &["id"]),
    // Deleting one needs the product too, and every record holds it.
    ("products/variants", &["product_id", "id"]),
    ("promotion_codes", &["code"]),
    ("regions", &["name"]),
    ("settings_search/filters/contexts", &["context.channel_id", "context.category_id"]),
    ("shipping_carrier/connection", &["carrier_id"]),
    ("trees/category-tree", &["tree_id", "id"]),
    // The `id` of their answers is the site's or the checkout's.
    ("channels/site/checkout-url", &["channel_id"]),
    ("checkouts/coupons", &["checkout_id", "coupon_code"]),
    ("checkouts/discounts", &["checkout_id"]),
];

/// Parents that the path does not lead to: `(object, field, parent object)`; no parent object where the API lists none.
pub(crate) const PARENTS: &[(&str, &str, &str)] = &[
    ("abandoned-carts", "token", ""),
    ("themes/custom-templates", "version_uuid", ""),
    ("orders/consignments/shipping/shipping_quotes", "shipping_consignment_id", ""),
    ("tax_providers/connection", "provider_id", ""),
    ("products/variants/metafields", "resource_id", "products/variants"),
];

/// Filters that are not used, because which records they give is not documented: `(resource, parameter)`. The others of their
/// kind give records whose field holds the value as a part.
pub(crate) const VAGUE_FILTERS: &[(&str, &str)] =
    &[("v2:/customer_groups", "name:like"), ("v3:/pricelists", "name:like")];

/// Filters that are not named after the field which they compare: `(resource, filter's field, record's field)`.
pub(crate) const FILTER_FIELDS: &[(&str, &str, &str)] = &[
    ("v3:/customers/form-field-values", "field_name", "name"),
    ("v3:/infrastructure/projects", "project_uuid", "uuid"),
    ("v3:/inventory/items", "product_id", "identity.product_id"),
    ("v3:/inventory/items", "sku", "identity.sku"),
    ("v3:/inventory/items", "variant_id", "identity.variant_id"),
    ("v3:/inventory/locations", "location_code", "code"),
    ("v3:/inventory/locations", "location_id", "id"),
    ("v3:/inventory/locations/{location_id}/items", "product_id", "identity.product_id"),
    ("v3:/inventory/locations/{location_id}/items", "sku", "identity.sku"),
    ("v3:/inventory/locations/{location_id}/items", "variant_id", "identity.variant_id"),
    ("v3:/orders/pickups", "pickup_id", "id"),
    ("v3:/settings/search/filters/contexts", "category_id", "context.category_id"),
    ("v3:/settings/search/filters/contexts", "channel_id", "context.channel_id"),
    ("v3:/storefront/custom-template-associations", "type", "entity_type"),
];

/// Objects whose records show a date of change that is not their own: `(object, why)`.
pub(crate) const DATE_OF_ANOTHER: &[(&str, &str)] = &[
    ("channels/site/checkout-url", "the site's"),
    ("segments/shopper-profiles", "the profile's: joining a segment does not move it"),
    ("shopper-profiles/segments", "the segment's: a profile that joins does not move it"),
];

/// v2 collections that come in the order of their ids, by their own documents.
pub(crate) const IN_ORDER_OF_ID: &[&str] =
    &["v2:/banners", "v2:/coupons", "v2:/customers", "v2:/gift_certificates", "v2:/orders"];

/// Writes that answer with something else than the record that was written: `(method, path)`.
pub(crate) const ANSWERS_SOMETHING_ELSE: &[(&str, &str)] = &[
    // The cart.
    ("POST", "/v3/carts/{cartId}/items"),
    ("PUT", "/v3/carts/{cartId}/items/{itemId}"),
    // The site.
    ("PUT", "/v3/channels/{channel_id}/site/checkout-url"),
    // The checkout.
    ("POST", "/v3/checkouts/{checkoutId}/billing-address"),
    ("PUT", "/v3/checkouts/{checkoutId}/billing-address/{addressId}"),
    ("PUT", "/v3/checkouts/{checkoutId}/consignments/{consignmentId}"),
    ("POST", "/v3/checkouts/{checkoutId}/coupons"),
    ("POST", "/v3/checkouts/{checkoutId}/discounts"),
    ("POST", "/v3/checkouts/{checkoutId}/fees"),
    ("PUT", "/v3/checkouts/{checkoutId}/fees"),
    // The wishlist.
    ("POST", "/v3/wishlists/{wishlist_id}/items"),
    // `{data: {}}`.
    ("PUT", "/v3/pricelists/{price_list_id}/records/{variant_id}/{currency_code}"),
];

/// Fields by which an upsert finds its record, where that is not the key: `(method, path, fields)`.
pub(crate) const MATCH_ON: &[(&str, &str, &[&str])] = &[
    ("PUT", "/v3/catalog/variants", &["id"]),
    ("PUT", "/v3/customers/attribute-values", &["customer_id", "attribute_id"]),
    ("PUT", "/v3/pricelists/{price_list_id}/assignments", &["price_list_id", "customer_group_id", "channel_id"]),
    ("PUT", "/v3/sites/{site_id}/routes", &["id"]),
    ("PUT", "/v3/storefront/custom-template-associations", &["channel_id", "entity_id", "entity_type"]),
    ("PUT", "/v3/storefront/redirects", &["site_id", "from_path"]),
];

/// What creating needs, where the schema does not say so: `(method, path, fields)`.
pub(crate) const CREATE_NEEDS: &[(&str, &str, &[&str])] = &[
    ("POST", "/v2/customers/{customer_id}/validate", &["password"]),
    ("POST", "/v2/shipping/carrier/connection", &["carrier_id"]),
    ("POST", "/v3/pricelists/records", &["price_list_id", "currency"]),
    ("PUT", "/v3/catalog/variants", &["product_id", "sku", "option_values"]),
];

/// Fields of which one stands for the other, so that neither is required: `(method, path, fields)`.
pub(crate) const ALTERNATIVES: &[(&str, &str, &[&str])] = &[
    ("POST", "/v3/pricelists/records", &["variant_id", "sku"]),
    ("POST", "/v3/pricelists/{price_list_id}/records", &["variant_id", "sku"]),
    ("PUT", "/v3/pricelists/records", &["variant_id", "sku"]),
    ("PUT", "/v3/pricelists/{price_list_id}/records", &["variant_id", "sku"]),
    ("PUT", "/v3/customers/form-field-values", &["customer_id", "address_id"]),
];

/// Fields by which people know a record, the best first. Where a record can hold several of them, all count.
pub(crate) const NATURAL: &[&str] =
    &["sku", "email", "code", "name", "display_name", "label", "title", "key", "from_path", "destination"];

/// Writes that must not run side by side, by the API's documents, with others of the same lane: `(method, path, lane)`.
pub(crate) const LANES: &[(&str, &str, &str)] = &[
    // Refunds of one order must not overlap.
    ("POST", "/v3/orders/{order_id}/payment_actions/refunds", "orders/refunds"),
    // Nor must assignments of the same products.
    ("PUT", "/v3/catalog/products/channel-assignments", "products/channel-assignments"),
    ("DELETE", "/v3/catalog/products/channel-assignments", "products/channel-assignments"),
    // The next adjustment goes out when the one before is answered.
    ("PUT", "/v3/inventory/adjustments/absolute", "inventory/adjustments"),
    ("POST", "/v3/inventory/adjustments/relative", "inventory/adjustments"),
    // One bulk upsert at a time, says the introduction, whatever the single operations allow.
    ("PUT", "/v3/pricelists/records", "pricelists/records"),
    ("PUT", "/v3/pricelists/{price_list_id}/records", "pricelists/records"),
];

/// Fields that an update takes and silently leaves as they are: `(method, path, fields)`.
pub(crate) const FIXED: &[(&str, &str, &[&str])] = &[("PUT", "/v3/channels/{channel_id}/listings", &["product_id"])];

/// Values of `include` whose data come in a member of another name: `(include, member)`.
pub(crate) const INCLUDED_IN: &[(&str, &str)] =
    &[("formfields", "form_fields"), ("storecredit", "store_credit_amounts")];

/// Pages that some values of `include` cut short: `(resource, include, records)`.
pub(crate) const INCLUDE_LIMITS: &[(&str, &str, u32)] =
    &[("v3:/catalog/products", "modifiers", 10), ("v3:/catalog/products", "options", 10)];

/// Sub-objects inside of their parents' records, where neither name nor place follow the rule (`products/images`: `include=images`, in
/// `images`): `(object, include, places, total)`. The total is the parent's field that is above zero if it has any.
pub(crate) const EMBEDDED: &[(&str, &str, &[&[&str]], &str)] = &[(
    "orders/products",
    "consignments.line_items",
    &[
        &["consignments", "pickups", "line_items"],
        &["consignments", "shipping", "line_items"],
        &["consignments", "downloads", "line_items"],
        &["consignments", "email", "gift_certificates", "line_items"],
    ],
    // An order of old times may have lines and no consignments.
    "items_total",
)];

/// Titles that the rules would spell badly: `(object, title)`.
pub(crate) const TITLES: &[(&str, &str)] = &[
    ("abandoned-cart-emails/default", "Abandoned cart email default"),
    ("api-token", "Storefront API tokens"),
    ("api-token-customer-impersonation", "Customer impersonation tokens"),
    ("api-token-private", "Private storefront API tokens"),
    ("carts/redirect_urls", "Cart redirect URLs"),
    ("categories", "Categories (older endpoints)"),
    ("channels/channel-menus", "Channel menus"),
    ("channels/site/checkout-url", "Channel site checkout URL"),
    ("checkouts/token", "Checkout tokens"),
    ("customers/validate", "Customer password checks (v2)"),
    ("customers/validate-credentials", "Customer credential checks"),
    ("deployments/uploads", "Deployment upload addresses"),
    ("hooks", "Webhooks"),
    ("hooks/admin", "Webhook notifications"),
    ("inventory_adjustments/absolute", "Absolute inventory adjustments"),
    ("inventory_adjustments/relative", "Relative inventory adjustments"),
    ("orders/consignments/shipping/shipping_quotes", "Order consignment shipping quotes"),
    ("orders/payment_actions/capture", "Order payment captures"),
    ("orders/payment_actions/refund_quotes", "Order refund quotes"),
    ("orders/payment_actions/refunds", "Order refunds"),
    ("orders/payment_actions/void", "Order payment voids"),
    ("payments_access_tokens", "Payment access tokens"),
    ("payments_methods", "Payment methods accepted for an order or checkout"),
    ("pickup_options", "Pickup options for a set of items"),
    ("pricing_products", "Calculated product prices"),
    ("products/variants/image", "Product variant images by address"),
    ("projects", "Infrastructure projects"),
    ("promotion_codes", "Codes of all promotions"),
    ("promotions/codegen", "Promotion code generation"),
    ("redirects/imex/export", "Redirect exports"),
    ("redirects/imex/jobs", "Redirect import and export jobs"),
    ("settings_email-statuses", "Email status settings"),
    ("settings_inventory/notifications", "Inventory notification settings"),
    ("settings_search/filters", "Search filter settings"),
    ("settings_search/filters/available", "Available search filters"),
    ("settings_search/filters/contexts", "Search filter contexts"),
    ("settings_storefront/robotstxt", "Storefront robots.txt settings"),
    ("settings_storefront/seo", "Storefront SEO settings"),
    ("shipping_carrier/connection", "Shipping carrier connections"),
    ("shipping_products/customs-information", "Product customs information"),
    ("shipping_settings/channels", "Shipping channel settings"),
    ("states/count", "State count of all countries"),
    ("store/systemlogs", "System logs"),
    ("tax_customers", "Customer tax properties"),
    ("tax_products/properties", "Product tax properties"),
    ("tax_zonecheck", "Tax zone checks"),
    ("themes/actions/activate", "Theme activations"),
    ("themes/actions/download", "Theme downloads"),
    ("themes/configurations/validate", "Theme configuration checks"),
    ("themes/custom-templates", "Theme custom templates"),
    ("time", "Server time"),
    ("trees", "Category trees"),
    ("trees/categories", "Categories"),
    ("trees/category-tree", "Category tree nodes"),
    ("v2/payments_methods", "Payment methods (v2)"),
    ("widget-templates/preview", "Widget template previews"),
];
