/**
 * An HTTP client on fetch that survives bad networks.
 *
 * @module
 */
export {};
