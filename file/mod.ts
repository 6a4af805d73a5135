/**
 * Files: reading, writing, copying, walking and watching.
 *
 * @module
 */
export {};
