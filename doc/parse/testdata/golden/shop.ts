import { x } from "./x";

/** What a tea is. */
export interface Tea {
  name: string;
}

export class Shop {
  private teas: Tea[] = [];

  /**
   * Sells one.
   */
  async sell(name: string): Promise<Tea> {
    if (name) {
      return this.teas[0];
    }
  }
}

export const brew = async (t: Tea) => {
  await t;
};

brew(null);
