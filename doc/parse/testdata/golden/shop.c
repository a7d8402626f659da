#include <stdio.h>

/* Sells
   tea. */
static int sell(const char *name,
                int count)
{
	if (count) {
		return 1;
	}
	return 0;
}

struct tea {
	int minutes;
};

int main(void) { return sell("x", 1); }
