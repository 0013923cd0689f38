// The package's public face.

export type { ConnectOptions, LogSink } from './connection.js';
export { Connection } from './connection.js';
export type { LoadOptions } from './connector.js';
export { Connector } from './connector.js';
export type { Grant } from './egress.js';
export type { Effect, HostErrorCode } from './errors.js';
export { ConnectorError, HostError, SettingsError } from './errors.js';
export type { Limits } from './limits.js';
export type { Capability } from './program.js';
export type { Query, RecordsAs, QueryOptions } from './query.js';
export type { RecordsInput } from './records.js';
export * from './types.js';
export type { Variables, VariableValue } from './variables.js';
