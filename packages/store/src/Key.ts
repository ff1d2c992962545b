/** @internal The old name of `StorePath`, until every module of the package imports it by the new one. */
export * from "./StorePath.ts"
