package backend

import "context"

// As returns b as a T (Chatter, Embedder, Ranker, …) if the program behind it
// can do that. Ask this way and not by a type assertion: a Guard has the methods
// of all capabilities, whatever it guards.
func As[T any](b Backend) (T, bool) {
	var none T
	if g, guarded := b.(*Guard); guarded {
		if _, can := As[T](g.backend); !can {
			return none, false
		}
	}
	t, can := b.(T)
	return t, can
}

type rejecting struct{}

// RejectIfBusy returns a context whose calls do not wait for a turn: a Guard
// with no room left refuses them at once, as Busy.
func RejectIfBusy(ctx context.Context) context.Context {
	return context.WithValue(ctx, rejecting{}, true)
}

func rejectsIfBusy(ctx context.Context) bool { return ctx.Value(rejecting{}) != nil }

type outside struct{}

// Outside returns a context whose calls to backends run within around, which must
// call work once, before it returns: what the caller holds for work of this program
// it can let go meanwhile.
func Outside(ctx context.Context, around func(work func())) context.Context {
	return context.WithValue(ctx, outside{}, around)
}

// whileOutside does the work of a backend as the context says.
func whileOutside(ctx context.Context, work func()) {
	if around, ok := ctx.Value(outside{}).(func(func())); ok {
		around(work)
		return
	}
	work()
}
