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
export { asyncCopyFile } from "./copy/copy.ts";
export type {
  CopyFileOptions,
  CopyProgress,
  CopyResult,
} from "./copy/options.ts";
export type { WritableEncoding } from "./write/encode.ts";
export { asyncFileExists, type FileExistsOptions } from "./exists.ts";
export { asyncHashFile, type HashFileOptions } from "./read/hash.ts";
export type { JsonLineOptions } from "./read/json_lines.ts";
export type { LineOptions } from "./read/lines.ts";
export type { FileLock } from "./lock.ts";
export type { PathPattern } from "./walk/matcher.ts";
export { asyncMkdir, type MkdirOptions } from "./mkdir.ts";
export { asyncReadFile, type ReadFileOptions } from "./read/read_file.ts";
export type { ByteRange } from "./options.ts";
export { AsyncFileReader, type FileReaderOptions } from "./read/reader.ts";
export {
  readAll,
  type ReadAllOptions,
  type ReadAllSource,
  type ReadResult,
} from "./read/read_all.ts";
export type { TailOptions } from "./read/tail.ts";
export { walkAsync } from "./walk/walk.ts";
export type { WalkEntry, WalkOptions } from "./walk/options.ts";
export {
  asyncWriteFile,
  type FileContent,
  type WriteFileOptions,
} from "./write/write_file.ts";
export type { FileWriterOptions } from "./write/write_plan.ts";
export { AsyncFileWriter } from "./write/writer.ts";
export type { WatchEvent } from "./watch/event.ts";
export {
  AsyncDirectoryWatcher,
  type DirectoryWatcherOptions,
} from "./watch/watcher.ts";
