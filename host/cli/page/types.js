/**
 * The shapes of what the API answers, as far as the page uses them. Nothing runs here.
 *
 * @typedef {{kind?: string, message: string, causes?: string[], hint?: string, pointer?: string}} Trouble One thing that is wrong.
 *
 * @typedef {object} SettingSchema One property of a settings schema.
 * @property {string} [type]
 * @property {string} [title]
 * @property {string} [description]
 * @property {unknown[]} [enum]
 * @property {unknown} [default]
 * @property {number} [minimum]
 * @property {number} [maximum]
 * @property {boolean} [writeOnly] A secret.
 * @property {number} [x-order]
 * @property {boolean} [x-variables] Whether `[name]` stands for a variable.
 * @property {boolean} [x-advanced] Folded away at first.
 * @property {boolean} [x-digits] Digits only, once variables have their values.
 * @property {string} [x-needs] What the host must have for it: `proxy`.
 * @property {Record<string, unknown>} [x-shown-when] Values of other settings with which it is shown, and needed.
 *
 * @typedef {{title?: string, required?: string[], properties?: Record<string, SettingSchema>}} SettingsSchema
 *
 * @typedef {{name: string, title?: string, version: string, digest: string, source: string, settings_schema: SettingsSchema,
 *   origins?: string[], problem?: string}} Connector `problem`: why it does not load; nothing else is known of it then but its name.
 * @typedef {{name: string, connector: string, revision: number, state: string, problem?: string | Trouble, activities: number}} ConnectionItem
 * @typedef {{name: string, connector: string, revision: number, settings: Record<string, unknown>, grants?: string[],
 *   ca_file?: string | null, hidden?: string[]}} Connection
 * @typedef {{kind: string, name: string}} Dependent
 * @typedef {{name: string, scope: string, source?: string, environment?: string, description?: string, set?: boolean,
 *   hidden?: boolean, value?: string, default?: string}} Variable
 * @typedef {{name: string, title: string, parent: string | null, activities: string[]}} ObjectItem
 *
 * @typedef {object} JsonSchema
 * @property {string | string[]} [type]
 * @property {string} [title]
 * @property {string} [format]
 * @property {string} [description]
 * @property {unknown[]} [enum]
 * @property {boolean} [readOnly]
 * @property {string[]} [required]
 * @property {Record<string, JsonSchema>} [properties]
 * @property {JsonSchema} [items]
 *
 * @typedef {{name: string, comparisons: string[], sortable?: boolean}} Field
 * @typedef {{request: JsonSchema, response: JsonSchema}} Schemas
 * @typedef {{object: string, key: string[], consistency?: string, incremental?: boolean | string, fields?: Field[],
 *   includes?: string[], activities: Record<string, Schemas>}} Described
 *
 * @typedef {object} Activity
 * @property {string} [name]
 * @property {string} [connection]
 * @property {string} verb
 * @property {string} object
 * @property {number} [revision]
 * @property {string[]} [fields]
 * @property {string[]} [where]
 * @property {string[]} [order_by]
 * @property {string[]} [include]
 * @property {boolean} [incremental]
 * @property {number} [page_size]
 * @property {number} [max_records]
 * @property {string} [mode]
 * @property {string[]} [match_on]
 * @property {boolean} [continue_on_error]
 * @property {number} [batch_size]
 *
 * @typedef {{read: number, mapped: number, applied: number, failed: number, unknown: number, skipped: number, not_reached?: number,
 *   requests: number, quota?: {left?: number, limit?: number}, seconds: number}} Report
 * @typedef {Report & {at: number, rate?: number, left_seconds?: number, quota_left?: number}} Progress
 * @typedef {{id: string, operation: string, state: string, started: string | number, ended?: string | number, report?: Report,
 *   can_resume?: boolean, errors?: Trouble[]}} Run
 */
export {};
