/**
 * Bounds how many connections are in use, in all and for each host, and shares them fairly: hosts
 * that wait take turns, so a slow host holds up nobody but its own requests.
 *
 * @module
 */
import { WaitingLine } from "../../_internal/waiting_line.ts";

/** One host's share: what `acquire` gives and `release` takes back. */
export class HostConnections {
  /** @internal */
  active = 0;
  /** @internal */
  isQueued = false;
  /** @internal */
  readonly waiters: WaitingLine<HostConnections>;
  /** @internal */
  readonly name: string;

  /** `gaveUp` is told after one of its requests has given up waiting. */
  constructor(name: string, gaveUp: (host: HostConnections) => void) {
    this.name = name;
    this.waiters = new WaitingLine(() => gaveUp(this));
  }
}

/** Hosts without use that are kept, so that a steady load does not make and drop one each time. */
const KEPT_HOSTS = 64;

/** A fair semaphore over hosts. */
export class Connections {
  // Invariants: #active is the sum of every host's `active`, at most #max; each host's is at most
  // #maxPerHost. A host stands in #turns (isQueued) if it has waiters and a free share; so when
  // #active < #max and #turns is empty, nobody waits who could run. Only `#take` and `release`
  // change these, and `release` serves the next. #waiting is the sum of the lines of all hosts.
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
      host.waiters.size === 0;
  }

  /** A place for `host`, in turn. Rejects with the signal's reason when it aborts first. */
  acquire(name: string, signal: AbortSignal): Promise<HostConnections> {
    if (signal.aborted) return Promise.reject(signal.reason);
    const free = this.tryAcquire(name);
    if (free !== undefined) return Promise.resolve(free);
    const host = this.#host(name);
    const place = host.waiters.wait(undefined, signal);
    this.#waiting++;
    this.#enqueue(host);
    return place;
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
      host = new HostConnections(name, this.#gaveUp);
      this.#hosts.set(name, host);
    }
    return host;
  }

  #take(host: HostConnections): HostConnections {
    this.#active++;
    host.active++;
    return host;
  }

  readonly #gaveUp = (host: HostConnections): void => {
    this.#waiting--;
    this.#forget(host);
  };

  #enqueue(host: HostConnections): void {
    if (
      !host.isQueued && host.waiters.size > 0 &&
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
      const waiter = host.waiters.first;
      if (waiter !== undefined && host.active < this.#maxPerHost) {
        this.#waiting--;
        waiter.resolve(this.#take(host));
        this.#enqueue(host);
      }
      // Drops the served front once it is the larger part: each entry is moved once on average.
      if (this.#turn > 32 && this.#turn * 2 > this.#turns.length) {
        this.#turns = this.#turns.slice(this.#turn);
        this.#turn = 0;
      }
    }
  }

  #forget(host: HostConnections): void {
    if (
      host.active === 0 && host.waiters.size === 0 &&
      this.#hosts.size > KEPT_HOSTS
    ) this.#hosts.delete(host.name);
  }
}
