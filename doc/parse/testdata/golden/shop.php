<?php
namespace Shop;

final class Tea {
    public function brew(): string {
        return 'x';
    }
}
