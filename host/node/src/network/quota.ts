// Leave to send. A remote allows so many requests per window and tells with each answer how many are left; everybody who draws on one
// such allowance, over all connections of the process, shares one bucket here and waits in one line.
//
// A request may go while more is left than is under way. When nothing is left, everybody waits for the window's end; then one request
// goes ahead to learn what the new window holds. Where nothing is known yet a few may go, and more with each answer that says nothing.

/** Requests that may be under way at first, before any answer has told the allowance. */
const UNKNOWN_IN_FLIGHT = 4;
/** How long a window is taken to last if the remote does not say, in milliseconds. */
const DEFAULT_WINDOW = 1000;
/** Longest wait that a report can impose, in milliseconds; what is longer is cut to it and asked again. */
const LONGEST_WINDOW = 600_000;
/** Remotes tell the time until a window's end in milliseconds, and cut off the rest. */
const CUT_OFF = 1;
/** Answers of one window name its end a little differently; a later end than this, in milliseconds, is a new window. */
const SAME_WINDOW = 1000;

/** What an answer said; times in milliseconds. */
export interface Report {
  left?: number | undefined;
  resetMs?: number | undefined;
}

type Known =
  /** Nothing. `answered` requests came back without a word about the allowance. */
  | { is: 'nothing'; answered: number }
  /** `left` at the last report, `ends` when the window does; `silent` requests came back since without a word. */
  | { is: 'window'; left: number; silent: number; ends: number }
  /** The last window was used up; one request, if `sent`, is finding out about the new one. */
  | { is: 'probing'; sent: boolean };

/** Leave to send one request, given or still awaited. */
export class Permit {
  granted = false;
  probes = false;
  /** Its instance does not run: it keeps nobody waiting. */
  parked = false;

  constructor(
    readonly bucket: Bucket,
    readonly concurrency: number | undefined,
    readonly tell: () => void,
  ) {}

  park(parked: boolean): void {
    this.bucket.park(this, parked);
  }

  release(): void {
    this.bucket.release(this);
  }
}

/** One allowance of a remote. */
export class Bucket {
  #known: Known = { is: 'nothing', answered: 0 };
  #waiting: Permit[] = [];
  readonly #out = new Set<Permit>();
  /** Reports that came for requests which are still out. */
  #reported = 0;
  #timer: NodeJS.Timeout | undefined;
  readonly #now: () => number;

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** Joins the line. `concurrency` bounds the requests under way; `tell` is called once the request may go. */
  reserve(concurrency: number | undefined, tell: () => void, parked = false): Permit {
    const permit = new Permit(this, concurrency, tell);
    permit.parked = parked;
    this.#waiting.push(permit);
    this.#advance();
    return permit;
  }

  /** Takes note of what an answer said. */
  report({ left, resetMs }: Report): void {
    this.#reported = Math.min(this.#reported + 1, this.#out.size);
    if (left === undefined) return;
    const now = this.#now();
    const ends = now + Math.min(resetMs ?? DEFAULT_WINDOW, LONGEST_WINDOW) + CUT_OFF;
    const known = this.#known;
    if (known.is === 'window' && now < known.ends && known.left === 0 && ends > known.ends + SAME_WINDOW) {
      // A refusal holds until the end that it named: what was under way meanwhile may tell of a later window, and is no leave.
      if (left === 0) known.ends = ends;
    } else if (known.is === 'window' && now < known.ends && ends <= known.ends + SAME_WINDOW) {
      // Answers overtake each other: within one window the lowest number is the latest. Of ends that are the same the later one is
      // safe; one that is nearer is when the remote wants to be asked again.
      const same = known.ends <= ends + SAME_WINDOW;
      known.ends = left === 0 && same ? Math.max(known.ends, ends) : Math.min(known.ends, ends);
      known.left = Math.min(known.left, left);
      known.silent = 0;
    } else {
      this.#known = { is: 'window', left, silent: 0, ends };
    }
    this.#advance();
  }

  release(permit: Permit): void {
    if (!this.#out.delete(permit)) {
      this.#waiting = this.#waiting.filter((other) => other !== permit);
    } else if (this.#reported > 0) {
      this.#reported--;
    } else if (this.#known.is === 'nothing') {
      this.#known.answered++;
    } else if (this.#known.is === 'window') {
      this.#known.silent++;
    } else if (permit.probes) {
      this.#known = { is: 'nothing', answered: 0 };
    }
    this.#advance();
  }

  park(permit: Permit, parked: boolean): void {
    permit.parked = parked;
    if (parked && permit.granted && permit.probes) {
      permit.probes = false;
      if (this.#known.is === 'probing') this.#known.sent = false;
    }
    this.#advance();
  }

  /** Whether anybody holds or awaits leave, or has to wait for a window's end. */
  isIdle(): boolean {
    const held = this.#known.is === 'window' && this.#known.ends > this.#now();
    return this.#out.size === 0 && this.#waiting.length === 0 && !held;
  }

  /** Lets those at the head of the line go who may, and comes back when time alone may change something. */
  #advance(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const again = this.#letGo();
    if (again === undefined) return;
    this.#timer = setTimeout(() => this.#advance(), Math.max(1, again - this.#now()));
  }

  #letGo(): number | undefined {
    const now = this.#now();
    if (this.#known.is === 'window' && now >= this.#known.ends) {
      const usedUp = this.#known.left - this.#known.silent - this.#out.size < 1;
      this.#known = usedUp ? { is: 'probing', sent: false } : { is: 'nothing', answered: 0 };
    }
    for (;;) {
      const index = this.#waiting.findIndex((permit) => !permit.parked);
      const head = this.#waiting[index];
      if (head === undefined) return undefined;
      const running = [...this.#out].filter((permit) => !permit.parked).length;
      if (head.concurrency !== undefined && running >= Math.max(1, head.concurrency)) return undefined;
      const known = this.#known;
      switch (known.is) {
        case 'nothing':
          if (running >= UNKNOWN_IN_FLIGHT + known.answered) return undefined;
          break;
        case 'window':
          if (known.left - known.silent - this.#out.size < 1) return known.ends;
          break;
        case 'probing':
          if (known.sent) return undefined;
          known.sent = true;
          head.probes = true;
          break;
      }
      this.#waiting.splice(index, 1);
      this.#out.add(head);
      head.granted = true;
      head.tell();
    }
  }
}

/** Buckets above which those that nobody uses are forgotten. */
const MANY = 1000;

/**
 * All buckets of the process, by who may share them and the connector's name for the bucket. Connections share one if their
 * connectors have the same name and they are granted the same origins: the name of a bucket alone could be claimed by anybody.
 */
export class Buckets {
  readonly #buckets = new Map<string, Bucket>();

  get(sharers: string, name: string): Bucket {
    const key = JSON.stringify([sharers, name]);
    let bucket = this.#buckets.get(key);
    if (bucket === undefined) {
      if (this.#buckets.size >= MANY) {
        for (const [key, bucket] of this.#buckets) if (bucket.isIdle()) this.#buckets.delete(key);
      }
      bucket = new Bucket();
      this.#buckets.set(key, bucket);
    }
    return bucket;
  }
}
