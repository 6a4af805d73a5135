/**
 * Files: reading, writing, copying, walking and watching.
 *
 * @module
 */
export { UnsupportedRuntimeError } from "../_internal/errors.ts";
export {
  CopyError,
  type CopyRefusal,
  DurabilityError,
  FileTruncatedError,
  InvalidEncodingError,
  JsonLineError,
  LineTooLongError,
  WatchRootError,
} from "./errors.ts";
export { asyncCopyFile } from "./copy.ts";
export type {
  CopyFileOptions,
  CopyProgress,
  CopyResult,
} from "./copy_options.ts";
export type { WritableEncoding } from "./encode.ts";
export { asyncFileExists, type FileExistsOptions } from "./exists.ts";
export { asyncHashFile, type HashFileOptions } from "./hash.ts";
export type { JsonLineOptions } from "./json_lines.ts";
export type { LineOptions } from "./lines.ts";
export type { FileLock } from "./lock.ts";
export type { PathPattern } from "./matcher.ts";
export { asyncMkdir, type MkdirOptions } from "./mkdir.ts";
export { asyncReadFile, type ReadFileOptions } from "./read_file.ts";
export type { ByteRange } from "./byte_range.ts";
export { AsyncFileReader, type FileReaderOptions } from "./reader.ts";
export {
  readAll,
  type ReadAllOptions,
  type ReadAllSource,
  type ReadResult,
} from "./read_all.ts";
export type { TailOptions } from "./tail.ts";
export { walkAsync } from "./walk.ts";
export type { WalkEntry, WalkOptions } from "./walk_plan.ts";
export {
  asyncWriteFile,
  type FileContent,
  type WriteFileOptions,
} from "./write_file.ts";
export type { FileWriterOptions } from "./write_plan.ts";
export { AsyncFileWriter } from "./writer.ts";
export type { WatchEvent } from "./watch_event.ts";
export {
  AsyncDirectoryWatcher,
  type DirectoryWatcherOptions,
} from "./watcher.ts";
