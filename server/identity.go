package server

// What wrangler and the SDKs ask before they do anything: whose token is this,
// and which accounts does it open. The answer is one account: the key's, or the
// default one as long as there are no keys. Every list ends after its first
// page, because some clients read on until one is empty.

type account struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	Type string `json:"type"`
}

type membership struct {
	ID      string   `json:"id"`
	Account account  `json:"account"`
	Roles   []string `json:"roles"`
	Status  string   `json:"status"`
}

// home is the account the caller belongs to.
func (s *Server) home(c *call) account {
	id := c.key.Account
	if c.key.anybody() {
		id = s.config.Account
	}
	return account{ID: id, Name: id, Type: "standard"}
}

// verifyToken answers GET /user/tokens/verify.
func verifyToken(s *Server, c *call) error {
	id := c.key.ID
	if c.key.anybody() {
		id = "none"
	}
	c.remarks = append(c.remarks, remark{Code: 10000, Message: "This API Token is valid and active"})
	return c.reply(struct {
		ID     string `json:"id"`
		Status string `json:"status"`
	}{id, "active"})
}

// showUser answers GET /user.
func showUser(s *Server, c *call) error {
	home := s.home(c)
	return c.reply(struct {
		ID       string `json:"id"`
		Email    string `json:"email"`
		Username string `json:"username"`
	}{home.ID, home.ID + "@nearside.invalid", home.ID})
}

// listAccounts answers GET /accounts.
func listAccounts(s *Server, c *call) error {
	return replyOnePage(c, []account{s.home(c)})
}

// showAccount answers GET /accounts/{account}.
func showAccount(_ *Server, c *call) error {
	return c.reply(account{ID: c.account, Name: c.account, Type: "standard"})
}

// listMemberships answers GET /memberships.
func listMemberships(s *Server, c *call) error {
	home := s.home(c)
	return replyOnePage(c, []membership{{ID: home.ID, Account: home, Roles: []string{"Administrator"}, Status: "accepted"}})
}

// replyOnePage answers a list that fits on one page: page 1 has all of it, later pages nothing.
func replyOnePage[T any](c *call, all []T) error {
	page, err := c.queryInt("page", 1, 1, 1<<30)
	if err != nil {
		return err
	}
	size, err := c.queryInt("per_page", 20, 1, 1000)
	if err != nil {
		return err
	}
	shown := all
	if page > 1 {
		shown = []T{}
	}
	return c.replyInfo(shown, resultInfo{Page: page, PerPage: size, Count: len(shown), TotalCount: len(all), TotalPages: 1})
}
