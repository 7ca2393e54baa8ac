interface Sample {
  readonly upstream: string;
  readonly method: string;
  readonly decision: string;
  readonly reason: string;
  /** How long it took. */
  readonly seconds: number;
}

/** What was counted of one upstream, method and decision. */
export interface RequestCount {
  readonly labels: { readonly upstream: string; readonly method: string; readonly decision: string };
  readonly reasons: Map<string, number>;
  /** How many took at most as many seconds as each bound says, and longer than the bound before says. */
  readonly within: number[];
  seconds: number;
  count: number;
}

/** Counts requests in plain numbers: nobody looks at them but now and then, and each call is counted. Labels are the caller's to keep few. */
export class RequestCounts {
  private readonly bounds: readonly number[];
  private readonly byUpstream = new Map<string, Map<string, Map<string, RequestCount>>>();

  /** @param bounds in seconds, rising */
  constructor(bounds: readonly number[]) {
    this.bounds = bounds;
  }

  add({ upstream, method, decision, reason, seconds }: Sample): void {
    const { bounds } = this;
    const counted = this.byUpstream.get(upstream)?.get(method)?.get(decision) ?? this.begin({ upstream, method, decision });
    counted.reasons.set(reason, (counted.reasons.get(reason) ?? 0) + 1);
    counted.seconds += seconds;
    counted.count += 1;
    for (let at = 0; at < bounds.length; at += 1) {
      if (seconds > (bounds[at] as number)) continue;
      counted.within[at] = (counted.within[at] ?? 0) + 1;
      return;
    }
  }

  all(): RequestCount[] {
    return [...this.byUpstream.values()].flatMap((methods) => [...methods.values()].flatMap((decisions) => [...decisions.values()]));
  }

  private begin(labels: RequestCount['labels']): RequestCount {
    const { upstream, method, decision } = labels;
    const methods = this.byUpstream.get(upstream) ?? new Map<string, Map<string, RequestCount>>();
    this.byUpstream.set(upstream, methods);
    const decisions = methods.get(method) ?? new Map<string, RequestCount>();
    methods.set(method, decisions);
    const begun: RequestCount = { labels, reasons: new Map(), within: this.bounds.map(() => 0), seconds: 0, count: 0 };
    decisions.set(decision, begun);
    return begun;
  }
}
