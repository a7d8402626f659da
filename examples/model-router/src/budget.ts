import { DurableObject } from "cloudflare:workers";

export interface Env {
  AI: Ai;
  BUDGET: DurableObjectNamespace<Budget>;
  NEURONS_PER_DAY: string;
}

/**
 * The neurons of a day (UTC, like Cloudflare's). There is one such object for everybody, and it does one
 * thing after the other: between looking and taking nobody else can take. KV could not promise that.
 */
export class Budget extends DurableObject<Env> {
  private readonly sql = this.ctx.storage.sql;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    this.sql.exec("CREATE TABLE IF NOT EXISTS spent (day TEXT PRIMARY KEY, neurons REAL NOT NULL)");
  }

  /** Sets aside what a call may cost at most. False: so much is not left today. */
  reserve(day: string, neurons: number): boolean {
    if (neurons > this.left(day)) return false;
    this.add(day, neurons);
    return true;
  }

  /** Puts what a call did cost in the place of what was set aside for it, and returns what is left. */
  settle(day: string, reserved: number, used: number): number {
    this.add(day, used - reserved);
    return this.left(day);
  }

  left(day: string): number {
    const [row] = this.sql.exec<{ neurons: number }>("SELECT neurons FROM spent WHERE day = ?", day).toArray();
    return Number(this.env.NEURONS_PER_DAY) - (row?.neurons ?? 0);
  }

  private add(day: string, neurons: number): void {
    this.sql.exec("INSERT INTO spent VALUES (?1, ?2) ON CONFLICT (day) DO UPDATE SET neurons = neurons + ?2", day, neurons);
  }
}
