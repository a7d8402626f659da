package command

import (
	"errors"
	"os"
	"path/filepath"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"nearside/fault"
	"nearside/ingest"
	"nearside/ingest/source"
	"nearside/ingest/source/web"
)

// standardInput is what standard input is called if it is given no name. What came by it is not remembered.
const standardInput = "standard input"

// sourceFlags say what is loaded, and what of it.
type sourceFlags struct {
	source.Options
	maxFileSize, maxUnpacked string
	list                     string // of addresses, a file
	sitemaps                 []string
	hosts, private           []string
}

func (f *sourceFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.Name, "source", "", "what is loaded is remembered by this name; \"\" = the path or the address. Standard input needs one to be remembered")
	flags.StringArrayVar(&f.Include, "include", nil, "only files that this glob matches, as .gitignore has globs, ** too; may be given several times")
	flags.StringArrayVar(&f.Exclude, "exclude", nil, "not the files and folders that this glob matches, or with ! in front, all the same; may be given several times")
	flags.BoolVar(&f.NoIgnore, "no-ignore", false, "do not heed .gitignore, .ignore and .nearsideignore")
	flags.BoolVar(&f.Hidden, "hidden", false, "files and folders whose names begin with a dot too")
	flags.BoolVar(&f.FollowLinks, "follow-links", false, "follow all links, also those that lead out of the folder")
	flags.StringVar(&f.maxFileSize, "max-file-size", "", "leave larger files out, such as 100MB (default 4GiB)")
	flags.StringVar(&f.maxUnpacked, "max-unpacked", "", "what an archive may unpack to, such as 200GB (default 64GiB)")
	flags.StringVar(&f.list, "urls", "", "load the pages that this file lists, an address a line")
	flags.StringArrayVar(&f.sitemaps, "sitemap", nil, "load the pages that this sitemap lists; may be given several times")
	flags.StringArrayVar(&f.hosts, "allow-host", nil, "fetch pages from this host too, HOST or HOST:PORT; those of the addresses that are given are allowed")
	flags.StringArrayVar(&f.private, "allow-private", nil, "this host may have a private address, such as one of this machine or of the local network")
}

// sources returns what the arguments and flags name: paths, addresses, - for standard input, a list of addresses, sitemaps. remark is told what
// people should know of them while they are loaded.
func (f *sourceFlags) sources(cmd *cobra.Command, args []string, remark func(string)) ([]ingest.Source, error) {
	if err := f.sizes(); err != nil {
		return nil, err
	}
	var listed []string
	if f.list != "" {
		var err error
		if listed, err = readAddresses(f.list); err != nil {
			return nil, err
		}
	}
	client, err := f.client(args, listed)
	if err != nil {
		return nil, err
	}
	var all []ingest.Source
	add := func(s ingest.Source, err error) error { all = append(all, s); return err }
	for _, arg := range args {
		switch {
		case arg == "-":
			err = add(f.input(cmd), nil)
		case isAddress(arg):
			err = add(source.Pages(client, []string{arg}, f.Options))
		default:
			err = add(source.Path(arg, f.Options))
		}
		if err != nil {
			return nil, err
		}
	}
	if f.list != "" {
		if err := add(f.pages(client, listed)); err != nil {
			return nil, err
		}
	}
	for _, address := range f.sitemaps {
		if err := add(source.Sitemap(client, address, f.Options, remark)); err != nil {
			return nil, err
		}
	}
	return all, f.check(all)
}

// check refuses what cannot be told apart.
func (f *sourceFlags) check(all []ingest.Source) error {
	if len(all) == 0 {
		return fault.New(fault.Invalid, "there is nothing to load: give a path, an address, --urls or --sitemap")
	}
	if len(all) > 1 && f.Name != "" {
		return fault.New(fault.Invalid, "--source %s names one source, and there are %d; load them by several calls", f.Name, len(all))
	}
	seen := map[string]bool{}
	for _, s := range all {
		if seen[s.Name()] {
			return fault.New(fault.Invalid, "%s is given twice", s.Name())
		}
		seen[s.Name()] = true
	}
	return nil
}

// sizes reads the flags that are sizes.
func (f *sourceFlags) sizes() error {
	for _, size := range []struct {
		flag, given string
		to          *int64
	}{{"max-file-size", f.maxFileSize, &f.MaxFileSize}, {"max-unpacked", f.maxUnpacked, &f.Unpack.Expanded}} {
		if size.given == "" {
			continue
		}
		n, err := humanize.ParseBytes(size.given)
		if err != nil || n == 0 || n > 1<<62 {
			return fault.New(fault.Invalid, "--%s %s: give a size such as 100MB or 2GiB", size.flag, size.given)
		}
		*size.to = int64(n)
	}
	return nil
}

// input returns standard input.
func (f *sourceFlags) input(cmd *cobra.Command) ingest.Source {
	name := standardInput
	if f.Name != "" {
		name = filepath.Base(f.Name)
	}
	return source.Reader(name, cmd.InOrStdin(), f.Options)
}

// pages returns the pages of the list.
func (f *sourceFlags) pages(client *web.Client, listed []string) (ingest.Source, error) {
	o := f.Options
	if o.Name == "" {
		abs, err := filepath.Abs(f.list)
		if err != nil {
			return nil, err
		}
		o.Name = "urls:" + source.Escape(filepath.ToSlash(abs))
	}
	return source.Pages(client, listed, o)
}

// client returns what fetches pages. It may ask the hosts of all addresses that were given, and those that are allowed besides.
func (f *sourceFlags) client(args, listed []string) (*web.Client, error) {
	o := web.Options{Hosts: f.hosts, Private: f.private, MaxBytes: f.MaxFileSize}
	if o.MaxBytes == 0 {
		o.MaxBytes = source.DefaultMaxFileSize
	}
	for _, some := range [][]string{args, listed, f.sitemaps} {
		for _, address := range some {
			if !isAddress(address) {
				continue
			}
			host, err := web.HostOf(address)
			if err != nil {
				return nil, err
			}
			o.Hosts = append(o.Hosts, host)
		}
	}
	return web.New(o)
}

// watched returns the paths that can be watched, and an error if something that is loaded cannot be.
func (f *sourceFlags) watched(args []string) ([]string, error) {
	for _, arg := range args {
		if arg == "-" || isAddress(arg) {
			return nil, fault.New(fault.Invalid, "%s cannot be watched; folders and files can", arg)
		}
	}
	if f.list != "" || len(f.sitemaps) > 0 {
		return nil, fault.New(fault.Invalid, "pages cannot be watched; folders and files can. Load pages again from time to time: what did not change is not fetched")
	}
	return args, nil
}

// isAddress reports whether an argument is the address of a page and not a path.
func isAddress(arg string) bool {
	scheme, _, ok := strings.Cut(arg, "://")
	return ok && (strings.EqualFold(scheme, "http") || strings.EqualFold(scheme, "https"))
}

// readAddresses reads a list of addresses.
func readAddresses(path string) (all []string, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fault.New(fault.Invalid, "--urls %s cannot be read", path).Because(err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if all, err = source.Addresses(f); err == nil && len(all) == 0 {
		err = fault.New(fault.Invalid, "--urls %s lists no addresses", path)
	}
	return all, err
}
