package shop;

/** Sells. */
public final class Shop {
    private final int n;

    public Shop(int n) {
        this.n = n;
    }

    @Override
    public String toString() {
        return "x";
    }
}
