/**
 * Bounds how many connections are in use, in all and for each host, and shares them fairly: hosts
 * that wait take turns, so a slow host holds up nobody but its own requests.
 *
 * @module
 */
import { onAbort } from "../../_internal/abort.ts";

interface Waiter {
  readonly host: HostConnections;
  readonly resolve: (host: HostConnections) => void;
  previous: Waiter | undefined;
  next: Waiter | undefined;
}

/** One host's share: what `acquire` gives and `release` takes back. */
export class HostConnections {
  /** @internal */
  active = 0;
  /** @internal */
  isQueued = false;
  /** @internal */
  first: Waiter | undefined = undefined;
  /** @internal */
  last: Waiter | undefined = undefined;
  /** @internal */
  readonly name: string;

  constructor(name: string) {
    this.name = name;
  }
}

/** Hosts without use that are kept, so that a steady load does not make and drop one each time. */
const KEPT_HOSTS = 64;

/** A fair semaphore over hosts. */
export class Connections {
  // Invariants: #active is the sum of every host's `active`, at most #max; each host's is at most
  // #maxPerHost. A host stands in #turns (isQueued) if it has waiters and a free share; so when
  // #active < #max and #turns is empty, nobody waits who could run. Only `#take`, `release` and
  // `#leave` change these, and each ends with `#serve` where a place may have become free.
  readonly #max: number;
  readonly #maxPerHost: number;
  readonly #hosts = new Map<string, HostConnections>();
  #turns: HostConnections[] = [];
  #turn = 0;
  #active = 0;
  #waiting = 0;

  constructor(max: number, maxPerHost: number) {
    this.#max = max;
    this.#maxPerHost = maxPerHost;
  }

  /** Places in use. */
  get active(): number {
    return this.#active;
  }

  /** Requests that wait for a place. */
  get waiting(): number {
    return this.#waiting;
  }

  /** A place for `host`, if one is free now. */
  tryAcquire(name: string): HostConnections | undefined {
    const host = this.#host(name);
    return this.#hasRoom(host) ? this.#take(host) : undefined;
  }

  /** True when `tryAcquire` would give a place; for a host that has one already. */
  hasRoom(name: string): boolean {
    return this.#hasRoom(this.#host(name));
  }

  #hasRoom(host: HostConnections): boolean {
    return this.#active < this.#max && host.active < this.#maxPerHost &&
      host.first === undefined;
  }

  /** A place for `host`, in turn. Rejects with the signal's reason when it aborts first. */
  acquire(name: string, signal: AbortSignal): Promise<HostConnections> {
    if (signal.aborted) return Promise.reject(signal.reason);
    const free = this.tryAcquire(name);
    if (free !== undefined) return Promise.resolve(free);
    const host = this.#host(name);
    return new Promise((resolve, reject) => {
      const waiter: Waiter = {
        host,
        resolve: (host) => {
          subscription.unsubscribe();
          resolve(host);
        },
        previous: host.last,
        next: undefined,
      };
      const subscription = onAbort(signal, (reason) => {
        this.#leave(waiter);
        reject(reason);
      });
      if (host.last === undefined) host.first = waiter;
      else host.last.next = waiter;
      host.last = waiter;
      this.#waiting++;
      this.#enqueue(host);
    });
  }

  /** Gives a place back; the next in turn has it before this returns. */
  release(host: HostConnections): void {
    this.#active--;
    host.active--;
    this.#enqueue(host);
    this.#serve();
    this.#forget(host);
  }

  #host(name: string): HostConnections {
    let host = this.#hosts.get(name);
    if (host === undefined) {
      host = new HostConnections(name);
      this.#hosts.set(name, host);
    }
    return host;
  }

  #take(host: HostConnections): HostConnections {
    this.#active++;
    host.active++;
    return host;
  }

  #leave(waiter: Waiter): void {
    this.#unlink(waiter);
    this.#forget(waiter.host);
  }

  #enqueue(host: HostConnections): void {
    if (
      !host.isQueued && host.first !== undefined &&
      host.active < this.#maxPerHost
    ) {
      host.isQueued = true;
      this.#turns.push(host);
    }
  }

  #serve(): void {
    while (this.#active < this.#max && this.#turn < this.#turns.length) {
      const host = this.#turns[this.#turn++]!; // within: checked by the loop
      host.isQueued = false;
      const waiter = host.first;
      if (waiter !== undefined && host.active < this.#maxPerHost) {
        this.#unlink(waiter);
        this.#take(host);
        this.#enqueue(host);
        waiter.resolve(host);
      }
      // Drops the served front once it is the larger part: each entry is moved once on average.
      if (this.#turn > 32 && this.#turn * 2 > this.#turns.length) {
        this.#turns = this.#turns.slice(this.#turn);
        this.#turn = 0;
      }
    }
  }

  #unlink(waiter: Waiter): void {
    const { host, previous, next } = waiter;
    if (previous === undefined) host.first = next;
    else previous.next = next;
    if (next === undefined) host.last = previous;
    else next.previous = previous;
    waiter.previous = waiter.next = undefined;
    this.#waiting--;
  }

  #forget(host: HostConnections): void {
    if (
      host.active === 0 && host.first === undefined &&
      this.#hosts.size > KEPT_HOSTS
    ) this.#hosts.delete(host.name);
  }
}
