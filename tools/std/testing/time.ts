// @ts-types="./time.d.ts"
export * from "./_time.js";
