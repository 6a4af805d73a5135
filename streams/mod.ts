/**
 * Composable streams on Web Streams.
 *
 * @module
 */
export {};
